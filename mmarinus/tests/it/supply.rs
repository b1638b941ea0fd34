//! Maps whose pages are supplied: which are missing, who brings them in, and what is refused.

use std::io::{Read, Seek, Write};
use std::thread::{self, JoinHandle};

use mmarinus::supply::{Supplier, Supply};
use mmarinus::{Advice, Errno, HugePage, Map, perms};

use crate::common::{Vma, anonymous, limit, page, without_privileges};
use crate::testing::{in_child, needs, skip};

/// The byte that fills the page at an offset.
fn fill(offset: usize) -> u8 {
    (offset / page() + 1) as u8
}

/// Whether all pages hold what [`serve`] brings in.
fn is_filled(bytes: &[u8]) -> bool {
    let mut bytes = bytes.iter().enumerate();
    bytes.all(|(offset, &byte)| byte == fill(offset))
}

/// Brings in pages of [`fill`] until the map is gone, and says how many.
fn serve(supplier: Supplier) -> JoinHandle<usize> {
    thread::spawn(move || {
        let mut bytes = vec![0; supplier.page_size()];
        let mut count = 0;
        while let Some(missing) = supplier.next().expect("a fault, or the end") {
            assert_eq!(missing.offset() % page(), 0);
            assert!(missing.offset() < supplier.len() && missing.thread() != 0);
            bytes.fill(fill(missing.offset()));
            count += supplier.copy(missing.offset(), &bytes).unwrap_or(0) / page();
        }
        count
    })
}

/// Anonymous memory that was given away.
fn supplied(len: usize) -> (Supply<perms::ReadWrite>, Supplier) {
    anonymous(len).supply_pages().expect("a userfaultfd")
}

#[test]
fn missing_pages_are_brought_in_and_are_slices() {
    needs!(userfaultfd_user_mode_only);
    for len in [6 * page(), 6 * page() - 100, 1] {
        let (mut map, supplier) = supplied(len);
        assert_eq!(supplier.len(), len.next_multiple_of(page()));
        let thread = serve(supplier);
        assert!(is_filled(map.as_slice()));
        assert!(is_filled(&map[..]) && is_filled(map.as_ref()));
        assert_eq!(map.len(), len);
        map.as_mut_slice()[0] = 99;
        map.as_mut()[len - 1] = 98;
        assert_eq!((map[0] | 1, map[len - 1]), (99, 98));
        let mut last = [0];
        map.read_at(len - 1, &mut last).unwrap();
        assert_eq!(last, [98]);
        assert_eq!(map.view(len - 1..).unwrap().as_slice(), [98]);
        drop(map);
        assert_eq!(thread.join().unwrap(), len.div_ceil(page()));
    }
}

#[test]
fn a_write_finds_the_page_brought_in() {
    needs!(userfaultfd_user_mode_only);
    let (mut map, supplier) = supplied(2 * page());
    let thread = thread::spawn(move || {
        let missing = supplier.next().unwrap().expect("a fault");
        assert!(missing.is_write() && missing.offset() == page());
        supplier.copy(page(), &vec![4; page()]).unwrap();
        supplier
    });
    map.as_mut_slice()[page() + 1] = 5;
    let supplier = thread.join().unwrap();
    assert_eq!(map[page()..page() + 3], [4, 5, 4]);
    assert!(!supplier.is_empty());
}

#[test]
fn what_is_there_stays() {
    needs!(userfaultfd_user_mode_only);
    let mut map = anonymous(4 * page());
    map[page()] = 77;
    assert_eq!(map[2 * page()], 0, "a page that was read is there too");
    let (map, supplier) = map.supply_pages().unwrap();
    let pages = vec![9; 4 * page()];
    assert_eq!(supplier.copy(0, &pages).unwrap(), page());
    assert_eq!(supplier.copy(page(), &pages[page()..]).unwrap(), 0);
    assert_eq!(supplier.copy(0, &pages).unwrap(), 0);
    assert_eq!(supplier.zero(..).unwrap(), 0);
    assert_eq!(supplier.zero(3 * page()..).unwrap(), page());
    assert_eq!(supplier.copy(3 * page(), &pages[..page()]).unwrap(), 0);
    let firsts: Vec<u8> = map.iter().copied().step_by(page()).collect();
    assert_eq!(firsts, [9, 77, 0, 0]);
    assert_eq!(map[page() + 1], 0);
}

#[test]
fn what_is_no_page_of_the_map_is_refused() {
    needs!(userfaultfd_user_mode_only);
    let (map, supplier) = supplied(2 * page());
    let one = vec![1; page()];
    let top = usize::MAX & !(page() - 1);
    for offset in [1, page() + 1, 2 * page(), 3 * page(), usize::MAX, top] {
        let error = supplier.copy(offset, &one).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{offset}");
    }
    let error = supplier.copy(page(), &vec![1; 2 * page()]).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert_eq!(
        supplier.copy(0, &one[1..]).unwrap_err().errno(),
        Errno::INVAL
    );
    assert_eq!(supplier.copy(2 * page(), &[]).unwrap(), 0);
    for range in [0..1, 1..page(), 0..3 * page(), top..top, page()..usize::MAX] {
        assert_eq!(
            supplier.zero(range.clone()).unwrap_err().errno(),
            Errno::INVAL,
            "{range:?}"
        );
    }
    assert_eq!(supplier.zero(0..0).unwrap(), 0);
    // None of this brought a page in.
    assert_eq!(supplier.copy(0, &vec![3; 2 * page()]).unwrap(), 2 * page());
    assert!(map.iter().all(|&byte| byte == 3));
}

#[test]
fn bytes_of_the_map_itself_are_no_source() {
    needs!(userfaultfd_user_mode_only);
    let (map, supplier) = supplied(4 * page());
    supplier.zero(..page()).unwrap();
    for source in [0..page(), 2 * page()..3 * page()] {
        let error = supplier.copy(page(), &map[source]).unwrap_err();
        assert_eq!(error.errno(), Errno::DEADLK);
        assert!(error.to_string().contains("wait for oneself"), "{error}");
    }
    // Its neighbours may be.
    let (left, right) = anonymous(2 * page()).split(page()).unwrap();
    let (map, supplier) = left.supply_pages().unwrap();
    assert_eq!(supplier.copy(0, &right).unwrap(), page());
    assert_eq!(map[0], 0);
}

#[test]
fn several_suppliers_share_the_work() {
    needs!(userfaultfd_user_mode_only);
    let len = 64 * page();
    let (map, supplier) = supplied(len);
    let threads: Vec<_> = (0..3).map(|_| serve(supplier.clone())).collect();
    drop(supplier);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(is_filled(&map)));
        }
    });
    drop(map);
    let count: usize = threads.into_iter().map(|it| it.join().unwrap()).sum();
    assert_eq!(count, 64);
}

#[test]
fn the_last_supplier_leaves_zeros() {
    needs!(userfaultfd_user_mode_only);
    let (map, supplier) = supplied(3 * page());
    let other = supplier.clone();
    supplier.copy(page(), &vec![6; page()]).unwrap();
    drop(supplier);
    thread::scope(|scope| {
        let waits = scope.spawn(|| map[0]);
        let missing = other.next().unwrap().expect("a fault");
        assert_eq!(missing.offset(), 0);
        assert!(!waits.is_finished());
        drop(other);
        assert_eq!(waits.join().unwrap(), 0);
    });
    let firsts: Vec<u8> = map.iter().copied().step_by(page()).collect();
    assert_eq!(firsts, [0, 6, 0]);
}

#[test]
fn suppliers_learn_of_the_end() {
    needs!(userfaultfd_user_mode_only);
    let (map, supplier) = supplied(2 * page());
    let threads = [serve(supplier.clone()), serve(supplier.clone())];
    assert_eq!(map[0], 1);
    drop(map);
    assert_eq!(
        threads.map(|it| it.join().unwrap()).iter().sum::<usize>(),
        1
    );
    assert_eq!(supplier.next().unwrap(), None);
    assert_eq!(supplier.next().unwrap(), None);
    let error = supplier.copy(page(), &vec![1; page()]).unwrap_err();
    assert_eq!(error.errno(), Errno::NOENT);
    assert!(error.to_string().contains("taken back"), "{error}");
    assert_eq!(supplier.zero(..).unwrap_err().errno(), Errno::NOENT);
}

#[test]
fn the_map_can_be_taken_back() {
    needs!(userfaultfd_user_mode_only);
    let (map, supplier) = supplied(3 * page());
    supplier.copy(page(), &vec![5; page()]).unwrap();
    let mut map = map.into_map().unwrap();
    assert_eq!(supplier.next().unwrap(), None);
    assert_eq!(supplier.zero(..).unwrap_err().errno(), Errno::NOENT);
    let firsts: Vec<u8> = map.iter().copied().step_by(page()).collect();
    assert_eq!(firsts, [0, 5, 0]);
    // It is like any other, and can be given away again.
    map.discard(..).unwrap();
    let (map, second) = map.supply_pages().unwrap();
    assert_eq!(
        supplier.copy(0, &vec![1; page()]).unwrap_err().errno(),
        Errno::NOENT
    );
    assert_eq!(second.copy(0, &vec![2; 3 * page()]).unwrap(), 3 * page());
    assert_eq!(map[2 * page()], 2);
    // Also when there is no supplier any more.
    drop(second);
    assert_eq!(map.into_map().unwrap()[0], 2);
}

#[test]
fn permissions_change_and_pages_go_on_to_come() {
    needs!(userfaultfd_user_mode_only);
    let (mut map, supplier) = supplied(3 * page());
    let thread = serve(supplier);
    map.as_mut_slice()[0] = 50;
    let map = map.reprotect(perms::Read).unwrap();
    assert_eq!((map[0], map[page()]), (50, 2));
    let map = map.reprotect(perms::None).unwrap();
    assert!(Vma::of(&map).perms.starts_with("---"));
    let map = map.reprotect(perms::Read).unwrap();
    assert_eq!((map[0], map[page()], map[2 * page()]), (50, 2, 3));
    drop(map);
    assert_eq!(thread.join().unwrap(), 3);
}

#[test]
fn hints_make_no_zeros_of_missing_pages() {
    needs!(userfaultfd);
    let len = 4 << 20;
    let map = Map::bytes(len).aligned_to(2 << 20).anonymously();
    let (map, supplier) = map.with(perms::ReadWrite).unwrap().supply_pages().unwrap();
    if map.is_user_mode_only() {
        skip!("only root populates missing pages");
    }
    map.advise(.., Advice::HUGEPAGE).unwrap();
    assert!(map.advise(.., Advice::COLLAPSE).is_err());
    // All but one of a huge page.
    let page_count = (2 << 20) / page();
    for nth in 1..page_count {
        let bytes = vec![fill(nth * page()); page()];
        assert_eq!(supplier.copy(nth * page(), &bytes).unwrap(), page());
    }
    assert!(map.advise(..2 << 20, Advice::COLLAPSE).is_err());
    for advice in [Advice::COLD, Advice::PAGEOUT, Advice::WILLNEED] {
        map.advise(.., advice).unwrap();
    }
    // Where the kernel merges no pages, it says so.
    let _ = map.advise(.., Advice::MERGEABLE);
    let _ = map.advise(.., Advice::UNMERGEABLE);
    let thread = serve(supplier);
    assert!(is_filled(&map[..2 << 20]));
    // What is there can be collapsed, where the kernel has huge pages.
    let _ = map.advise(..2 << 20, Advice::COLLAPSE);
    assert!(is_filled(&map[..2 << 20]));
    // These go to the supplier.
    let middle = 3 << 20;
    map.lock(middle..middle + 3 * page()).unwrap();
    map.unlock(middle..middle + page()).unwrap();
    let pages = middle + 3 * page()..middle + 8 * page();
    if let Err(error) = map.advise(pages, Advice::POPULATE_WRITE) {
        assert_eq!(error.errno(), Errno::INVAL, "before Linux 5.14");
    }
    assert!(is_filled(&map[2 << 20..]));
    // Though it is in pieces now.
    let map = map.into_map().unwrap();
    assert!(is_filled(&map));
    assert_eq!(thread.join().unwrap(), page_count + 1);
}

#[test]
fn system_calls_wait_with_a_privilege() {
    needs!(userfaultfd);
    let (map, supplier) = supplied(2 * page());
    assert!(!map.is_user_mode_only());
    let thread = serve(supplier);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&map).unwrap();
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert!(is_filled(&bytes) && bytes.len() == map.len());
    drop(map);
    assert_eq!(thread.join().unwrap(), 2);
}

#[test]
fn system_calls_fail_without_a_privilege() {
    needs!(userfaultfd_user_mode_only);
    let setting = std::fs::read_to_string("/proc/sys/vm/unprivileged_userfaultfd");
    if setting.is_ok_and(|setting| setting.trim() != "0") {
        skip!("anybody may make a userfaultfd here");
    }
    let (map, supplier) = without_privileges(|| supplied(2 * page()));
    assert!(map.is_user_mode_only());
    let thread = serve(supplier);
    let mut file = tempfile::tempfile().unwrap();
    let error = file.write_all(&map).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::FAULT.raw_os_error()));
    assert!(map.lock(..).is_err());
    map.unlock(..).unwrap();
    // A touch waits for the page, and then the kernel finds it too. A copy of ours is a touch.
    let mut byte = [0];
    map.read_at(page(), &mut byte).unwrap();
    assert_eq!((byte, map[0]), ([2], 1));
    file.write_all(&map).unwrap();
    drop(map);
    assert_eq!(thread.join().unwrap(), 2);
}

#[test]
fn what_cannot_be_given_away_comes_back() {
    needs!(userfaultfd_user_mode_only);
    let status = in_child!({
        limit(rustix::process::Resource::Nofile, 4);
        let mut map = anonymous(page());
        map[0] = 8;
        let error = map.supply_pages().unwrap_err();
        assert_eq!(error.errno(), Errno::MFILE);
        assert_eq!(error.into_map().expect("it comes back")[0], 8);
    });
    assert!(status.success());
    let empty = Map::bytes(0).anonymously().with(perms::ReadWrite).unwrap();
    let (empty, supplier) = empty.supply_pages().unwrap();
    assert!(empty.is_empty() && supplier.is_empty() && empty.as_slice().is_empty());
    assert_eq!(supplier.zero(..).unwrap(), 0);
    assert_eq!(
        supplier.copy(0, &vec![1; page()]).unwrap_err().errno(),
        Errno::INVAL
    );
    let empty = empty.into_map().unwrap();
    assert_eq!(supplier.next().unwrap(), None);
    assert!(empty.is_empty());
}

#[test]
fn huge_pages_are_there_already() {
    needs!(huge_2mb);
    needs!(userfaultfd_user_mode_only);
    let map = Map::bytes(1)
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB);
    let error = map.with(perms::ReadWrite).unwrap().supply_pages();
    let error = error.unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert_eq!(error.into_map().expect("it comes back")[0], 0);
}

#[test]
fn tracked_pages_stay_with_their_tracker() {
    needs!(userfaultfd_user_mode_only);
    needs!(wp_async);
    let mut tracked = anonymous(page()).track_writes().unwrap();
    let mut map = anonymous(page());
    core::mem::swap(&mut *tracked, &mut map);
    let error = map.supply_pages().unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    let mut map = error.into_map().expect("it comes back");
    core::mem::swap(&mut *tracked, &mut map);
    tracked[0] = 1;
    assert_eq!(tracked.take_dirty(..).unwrap().count(), 1);
}

#[test]
fn guards_stay_beside_supplied_pages() {
    needs!(userfaultfd_user_mode_only);
    let map = Map::bytes(2 * page()).anonymously().guarded();
    let (map, supplier) = map.with(perms::ReadWrite).unwrap().supply_pages().unwrap();
    let thread = serve(supplier);
    assert!(is_filled(&map));
    let map = map.into_map().unwrap();
    assert!(is_filled(&map));
    assert_eq!(thread.join().unwrap(), 2);
}

#[test]
fn the_same_page_holds_the_same_for_all_who_wait() {
    needs!(userfaultfd_user_mode_only);
    let (map, supplier) = supplied(8 * page());
    let suppliers = [supplier.clone(), supplier].into_iter().enumerate();
    // Each brings in something else.
    let threads: Vec<_> = suppliers
        .map(|(nth, supplier)| {
            thread::spawn(move || {
                let bytes = vec![nth as u8 + 1; page()];
                let mut count = 0;
                while let Some(missing) = supplier.next().unwrap() {
                    count += supplier.copy(missing.offset(), &bytes).unwrap_or(0) / page();
                }
                count
            })
        })
        .collect();
    let read: Vec<Vec<u8>> = thread::scope(|scope| {
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(|| map.to_vec())).collect();
        readers.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert!(read.iter().all(|bytes| *bytes == read[0]));
    assert!(read[0].iter().all(|&byte| byte == 1 || byte == 2));
    assert_eq!(map.to_vec(), read[0]);
    drop(map);
    let count: usize = threads.into_iter().map(|it| it.join().unwrap()).sum();
    assert_eq!(count, 8);
}

#[test]
fn the_halves_go_where_they_are_sent() {
    fn sent<T: Send + Sync>(it: T) -> T {
        it
    }
    needs!(userfaultfd_user_mode_only);
    let (map, supplier) = supplied(page());
    let (map, supplier) = (sent(map), sent(supplier));
    assert!(format!("{map:?}").contains("Supplied"));
    assert!(format!("{supplier:?}").contains("page_size"));
}
