//! Pages that a userfaultfd brings in.

use core::time::Duration;
use std::os::fd::{AsFd, OwnedFd};

use mmarinus::backing::Paged;
use mmarinus::kind::Kind;
use mmarinus::userfault::{PageFault, UffdFeatures, UffdMsg, UffdRegisterMode as Mode};
use mmarinus::{Errno, Map, Private, Shared, Userfault, perms};

use crate::common::{
    anonymous, bytes_of, disk_file, exposed, memory_file, page, shared, without_privileges,
};
use crate::testing::{needs, skip};

/// A map whose pages are handed over.
type Handed<K = Private> = Map<perms::ReadWrite, K, Paged>;

/// Runs a closure beside a thread that answers each fault of a map, until the closure ends.
fn answered<K: Kind, T: Send>(
    uffd: &Userfault,
    map: &Handed<K>,
    answer: impl Fn(PageFault, usize) + Sync,
    run: impl FnOnce() -> T + Send,
) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(run);
        while !thread.is_finished() {
            if !uffd.wait(Some(Duration::from_millis(5))).expect("a wait") {
                continue;
            }
            let mut room = [UffdMsg::default(); 4];
            for fault in uffd.read(&mut room).expect("faults") {
                let offset = fault.offset_in(map).expect("a fault in the map");
                answer(fault, offset);
            }
        }
        thread.join().expect("the thread ends well")
    })
}

/// The byte that fills the page at an offset.
fn fill(offset: usize) -> u8 {
    (offset / page() + 1) as u8
}

/// Answers with pages of [`fill`].
fn copied<K: Kind>(uffd: &Userfault, map: &Handed<K>) -> Vec<u8> {
    let answer = |fault: PageFault, offset: usize| {
        assert!(!fault.is_minor() && !fault.is_protected());
        assert_eq!(fault.addr(), map.addr() + offset);
        let bytes = vec![fill(offset); page()];
        assert_eq!(uffd.copy(map, offset, &bytes).expect("a page"), page());
    };
    answered(uffd, map, answer, || bytes_of(map))
}

/// Whether all pages hold what the answers were.
fn is_filled(bytes: &[u8]) -> bool {
    let mut bytes = bytes.iter().enumerate();
    bytes.all(|(offset, &byte)| byte == fill(offset))
}

#[test]
fn missing_pages_are_brought_in() {
    needs!(userfaultfd);
    let uffd = Userfault::new().unwrap();
    assert!(!uffd.is_user_mode_only());
    let len = 6 * page();
    let map = anonymous(len).page_by(&uffd, Mode::MISSING).unwrap();
    assert!(is_filled(&copied(&uffd, &map)));
    let map = exposed(len).page_by(&uffd, Mode::MISSING).unwrap();
    assert!(is_filled(&copied(&uffd, &map)));
    let map = shared(len).page_by(&uffd, Mode::MISSING).unwrap();
    assert!(is_filled(&copied(&uffd, &map)));
    let map = anonymous(len - 100).page_by(&uffd, Mode::MISSING).unwrap();
    assert!(is_filled(&copied(&uffd, &map)));
}

#[test]
fn pages_that_are_there_stay_and_pages_given_back_are_missing() {
    needs!(userfaultfd);
    let uffd = Userfault::new().unwrap();
    let mut map = anonymous(3 * page());
    map[page()] = 77;
    let mut map = map.page_by(&uffd, Mode::MISSING).unwrap();
    let bytes = copied(&uffd, &map);
    assert_eq!((bytes[0], bytes[page()], bytes[2 * page()]), (1, 77, 3));
    let error = uffd.copy(&map, 0, &vec![0; page()]).unwrap_err();
    assert_eq!(error.errno(), Errno::EXIST);
    assert_eq!(uffd.zero(&map, ..).unwrap_err().errno(), Errno::EXIST);
    map.discard(page()..).unwrap();
    let pages = vec![9; 3 * page()];
    let error = uffd.copy(&map, page(), &pages).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert_eq!(
        uffd.copy(&map, page(), &pages[page()..]).unwrap(),
        2 * page()
    );
    assert_eq!(bytes_of(&map)[page()..], pages[page()..]);
    // Whatever happens to the userfaultfd, the map lives on.
    map.discard(..page()).unwrap();
    drop(uffd);
    assert_eq!(bytes_of(&map)[..page()], vec![0; page()]);
}

#[test]
fn zeros_wake_and_so_does_waking() {
    needs!(userfaultfd);
    let uffd = Userfault::new().unwrap();
    let map = anonymous(2 * page()).page_by(&uffd, Mode::MISSING).unwrap();
    let answer = |fault: PageFault, offset: usize| {
        assert!(fault.thread() != 0 && fault.is_write());
        uffd.wake(&map, ..).expect("to wake harms nobody");
        let pages = offset..offset + page();
        assert_eq!(uffd.zero(&map, pages).unwrap_or(page()), page());
    };
    let view = map.view(..).unwrap();
    answered(&uffd, &map, answer, || {
        view.write_at(page() - 1, &[1, 2]).unwrap()
    });
    let bytes = bytes_of(&map);
    assert_eq!(bytes[page() - 2..page() + 2], [0, 1, 2, 0]);
}

#[test]
fn poisoned_pages_are_errors() {
    needs!(userfaultfd);
    needs!(uffd_poison);
    let uffd = Userfault::new().unwrap();
    let map = anonymous(2 * page()).page_by(&uffd, Mode::MISSING).unwrap();
    let answer = |_, offset: usize| {
        if offset == 0 {
            assert_eq!(uffd.zero(&map, ..page()).unwrap(), page());
        } else {
            assert_eq!(uffd.poison(&map, page()..).unwrap(), page());
        }
    };
    let mut bytes = vec![1; 2 * page()];
    let fault = answered(&uffd, &map, answer, || {
        map.read_at(0, &mut bytes).unwrap_err()
    });
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, page()));
}

#[test]
fn protected_pages_wait_to_be_written() {
    needs!(userfaultfd);
    let uffd = Userfault::new().unwrap();
    let mut map = anonymous(2 * page());
    map.fill(5);
    let map = map.page_by(&uffd, Mode::MISSING | Mode::WP).unwrap();
    uffd.protect(&map, ..).unwrap();
    assert_eq!(bytes_of(&map), vec![5; 2 * page()], "reading does not wait");
    let answer = |fault: PageFault, offset: usize| {
        assert!(fault.is_protected() && fault.is_write());
        uffd.unprotect(&map, offset..offset + page())
            .expect("a page");
    };
    let view = map.view(..).unwrap();
    answered(&uffd, &map, answer, || view.write_at(page(), &[6]).unwrap());
    assert_eq!(bytes_of(&map)[page() - 1..page() + 2], [5, 6, 5]);
    let other = anonymous(page()).page_by(&uffd, Mode::MISSING).unwrap();
    assert_eq!(uffd.protect(&other, ..).unwrap_err().errno(), Errno::NOENT);
}

#[test]
fn minor_faults_are_resumed() {
    needs!(userfaultfd);
    let uffd = Userfault::new().unwrap();
    if !uffd.features().contains(UffdFeatures::MINOR_SHMEM) {
        skip!("minor faults of shared memory need Linux 5.14");
    }
    let file = memory_file(2 * page());
    let map = Map::bytes(2 * page()).from(&file, 0).with_kind(Shared);
    let map = map.with(perms::ReadWrite).unwrap();
    let map = map.page_by(&uffd, Mode::MINOR).unwrap();
    let answer = |fault: PageFault, offset: usize| {
        assert!(fault.is_minor());
        let pages = offset..offset + page();
        assert_eq!(uffd.resume(&map, pages).expect("a page"), page());
    };
    let bytes = answered(&uffd, &map, answer, || bytes_of(&map));
    assert_eq!(bytes, crate::common::patterned(0, 2 * page()));
}

#[test]
fn pages_move_without_a_copy() {
    needs!(userfaultfd);
    needs!(uffd_move);
    let uffd = Userfault::new().unwrap();
    let map = anonymous(4 * page()).page_by(&uffd, Mode::MISSING).unwrap();
    let mut from = anonymous(2 * page());
    let empty = uffd.move_pages(&map, 0, &mut from, ..page()).unwrap_err();
    assert_eq!(empty.errno(), Errno::NOENT);
    from.fill(8);
    let moved = uffd.move_pages(&map, page(), &mut from, ..).unwrap();
    assert_eq!(moved, 2 * page());
    assert!(from.iter().all(|&byte| byte == 0));
    let mut bytes = vec![0; 2 * page()];
    map.read_at(page(), &mut bytes).unwrap();
    assert!(bytes.iter().all(|&byte| byte == 8));
    from.fill(9);
    let error = uffd.move_pages(&map, page(), &mut from, ..).unwrap_err();
    assert_eq!(error.errno(), Errno::EXIST);
    for (offset, range) in [
        (100, 0..page()),
        (3 * page(), 0..2 * page()),
        (0, 1..2),
        (usize::MAX, 0..page()),
    ] {
        let error = uffd.move_pages(&map, offset, &mut from, range).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
    }
    assert_eq!(uffd.move_pages(&map, 0, &mut from, 5..5).unwrap(), 0);
    assert!(from.iter().all(|&byte| byte == 9));
}

#[test]
fn what_is_no_page_of_the_map_is_refused() {
    needs!(userfaultfd);
    let uffd = Userfault::new().unwrap();
    let map = anonymous(2 * page()).page_by(&uffd, Mode::MISSING).unwrap();
    let one = vec![1; page()];
    for offset in [
        1,
        2 * page(),
        3 * page(),
        usize::MAX,
        usize::MAX & !(page() - 1),
    ] {
        let error = uffd.copy(&map, offset, &one).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{offset}");
    }
    assert_eq!(
        uffd.copy(&map, 0, &one[1..]).unwrap_err().errno(),
        Errno::INVAL
    );
    assert_eq!(uffd.copy(&map, 2 * page(), &[]).unwrap(), 0);
    for range in [0..1, 1..page(), 0..3 * page(), usize::MAX..usize::MAX] {
        assert_eq!(
            uffd.zero(&map, range.clone()).unwrap_err().errno(),
            Errno::INVAL
        );
        assert_eq!(
            uffd.poison(&map, range.clone()).unwrap_err().errno(),
            Errno::INVAL
        );
        assert_eq!(
            uffd.protect(&map, range.clone()).unwrap_err().errno(),
            Errno::INVAL
        );
        assert_eq!(uffd.wake(&map, range).unwrap_err().errno(), Errno::INVAL);
    }
    assert_eq!(uffd.read(&mut []).unwrap_err().errno(), Errno::INVAL);
    assert_eq!(
        uffd.read(&mut [UffdMsg::default()]).unwrap_err().errno(),
        Errno::AGAIN
    );
    assert!(!uffd.wait(Some(Duration::ZERO)).unwrap());
    assert_eq!(
        uffd.wait(Some(Duration::MAX)).unwrap_err().errno(),
        Errno::INVAL
    );
}

#[test]
fn what_cannot_be_handed_over_comes_back() {
    needs!(userfaultfd);
    let uffd = Userfault::new().unwrap();
    for modes in [Mode::empty(), Mode::from_bits_retain(1 << 40)] {
        let error = anonymous(page()).page_by(&uffd, modes).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        assert!(error.to_string().contains("MISSING"), "{error}");
        assert_eq!(error.into_map().expect("it comes back")[0], 0);
    }
    let file = memory_file(2 * page());
    let map = Map::bytes(page()).from(&file, 8);
    let error = map.with(perms::Read).unwrap().page_by(&uffd, Mode::MISSING);
    assert_eq!(error.unwrap_err().errno(), Errno::INVAL);
    let empty = Map::bytes(0).anonymously().with(perms::ReadWrite).unwrap();
    let empty = empty.page_by(&uffd, Mode::MISSING).unwrap();
    assert_eq!(uffd.zero(&empty, ..).unwrap(), 0);
    // One userfaultfd answers, not two.
    let map = anonymous(page()).page_by(&uffd, Mode::MISSING).unwrap();
    let other = Userfault::new().unwrap();
    let error = map.page_by(&other, Mode::MISSING).unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    assert_eq!(error.into_map().unwrap().len(), page());
    // A file on a disk has no missing pages.
    needs!(disk);
    let map = Map::bytes(page())
        .from(&disk_file(page()), 0)
        .with(perms::Read)
        .unwrap();
    let error = map.page_by(&uffd, Mode::MISSING).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert_eq!(
        bytes_of(&error.into_map().unwrap()),
        crate::common::patterned(0, page())
    );
}

#[test]
fn a_map_that_was_moved_is_answered_for_no_more() {
    needs!(userfaultfd);
    let uffd = Userfault::new().unwrap();
    let map = anonymous(2 * page()).page_by(&uffd, Mode::MISSING).unwrap();
    let free = anonymous(4 * page()).addr();
    let Ok(map) = map.move_to(free) else {
        skip!("another test has the address");
    };
    let error = uffd.copy(&map, 0, &vec![1; page()]).unwrap_err();
    assert_eq!(error.errno(), Errno::NOENT);
    assert_eq!(bytes_of(&map), vec![0; 2 * page()]);
}

#[test]
fn without_privileges_it_is_for_user_mode_only() {
    needs!(userfaultfd_user_mode_only);
    let setting = std::fs::read_to_string("/proc/sys/vm/unprivileged_userfaultfd");
    if setting.is_ok_and(|setting| setting.trim() != "0") {
        skip!("anybody may make a userfaultfd here");
    }
    let uffd = without_privileges(Userfault::new).unwrap();
    assert!(uffd.is_user_mode_only());
    let map = anonymous(2 * page()).page_by(&uffd, Mode::MISSING).unwrap();
    // A copy by the kernel does not wait.
    let fault = map.read_at(0, &mut [0]).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 0));
    assert!(!uffd.wait(Some(Duration::ZERO)).unwrap());
    assert_eq!(uffd.copy(&map, 0, &vec![3; page()]).unwrap(), page());
    let mut byte = [0];
    map.read_at(page() - 1, &mut byte).unwrap();
    assert_eq!(byte, [3]);
    assert!(Userfault::of_user_mode().unwrap().is_user_mode_only());
}

#[test]
fn its_descriptor_can_be_waited_for_and_sent() {
    needs!(userfaultfd);
    let uffd = Userfault::new().unwrap();
    let map = anonymous(page()).page_by(&uffd, Mode::MISSING).unwrap();
    let other = uffd.as_fd().try_clone_to_owned().unwrap();
    let first = OwnedFd::from(uffd);
    drop(first);
    // As long as there is one, pages are missing.
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| bytes_of(&map));
        let mut fds = [rustix::event::PollFd::new(
            &other,
            rustix::event::PollFlags::IN,
        )];
        assert_eq!(rustix::event::poll(&mut fds, None).unwrap(), 1);
        drop(other);
        assert_eq!(reader.join().unwrap(), vec![0; page()]);
    });
}

#[test]
fn another_userfaultfd_may_answer_as_well() {
    needs!(userfaultfd);
    let (uffd, other) = (Userfault::new().unwrap(), Userfault::new().unwrap());
    let map = anonymous(page()).page_by(&uffd, Mode::MISSING).unwrap();
    // The kernel may look whether any of the process answers for the page, and not which.
    match other.copy(&map, 0, &vec![4; page()]) {
        Ok(copied) => assert_eq!(copied, page()),
        Err(error) => {
            assert_eq!(error.errno(), Errno::NOENT);
            assert_eq!(uffd.copy(&map, 0, &vec![4; page()]).unwrap(), page());
        }
    }
    assert_eq!(bytes_of(&map), vec![4; page()]);
}
