//! Maps in huge pages: their lengths, when they are brought in, what is refused, and that none is lost.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mmarinus::{Advice, Errno, HugePage, Map, Private, Shared, Source, perms};
use mmarinus_sys::Support;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::common::{anonymous, bytes_of, disk_file, file_map, page};
use crate::testing::needs;

/// The size of the pages of these tests in bytes.
pub(crate) const HUGE: usize = 2 << 20;

/// Holds the pool, which all tests share, and looks at its end whether all pages are back.
pub(crate) struct Pool {
    _turn: MutexGuard<'static, ()>,
    before: [u64; 2],
}

impl Pool {
    /// Waits for the pool.
    pub(crate) fn take() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            _turn: turn,
            before: Self::now(),
        }
    }

    /// How many pages are free, and how many of those are reserved.
    fn now() -> [u64; 2] {
        let pool = Support::huge_pages(HugePage::SIZE_2MB).expect("a pool");
        [pool.free, pool.reserved]
    }

    /// How many pages were used and how many reserved since it was taken.
    fn used(&self) -> [u64; 2] {
        let [free, reserved] = Self::now();
        [self.before[0] - free, reserved - self.before[1]]
    }

    /// Asserts that no page is missing.
    pub(crate) fn assert_whole(self) {
        assert_eq!(self.used(), [0, 0], "huge pages were lost");
    }
}

/// A memory file in huge pages, of so many bytes.
fn huge_file(len: usize) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
    let flags = flags | MemfdFlags::HUGE_2MB;
    let file = File::from(memfd_create("huge", flags).expect("a memfd in huge pages"));
    file.set_len(len as u64).expect("room");
    file
}

/// A private map of `len` bytes in huge pages.
fn huge(len: usize) -> Map<perms::ReadWrite> {
    Map::bytes(len)
        .anywhere()
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::ReadWrite)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_length_is_rounded_and_remembered() {
    needs!(huge_2mb);
    let pool = Pool::take();
    for len in [1, 100, page(), HUGE - 1, HUGE, HUGE + 1] {
        let mut map = huge(len);
        let pages = len.div_ceil(HUGE);
        assert_eq!((map.len(), map.page_size()), (len, HUGE));
        assert_eq!(map.pages(), (map.addr(), pages * HUGE));
        assert_eq!(pool.used(), [pages as u64, 0], "all pages are there");
        map.fill(7);
        assert_eq!(map[len - 1], 7);
        drop(map);
        assert_eq!(pool.used(), [0, 0], "{len} bytes");
    }
    huge(3 * HUGE + 5).unmap().expect("munmap");
    pool.assert_whole();
}

#[test]
fn the_default_size_is_told() {
    needs!(huge_2mb);
    let pool = Pool::take();
    let Some(size) = Support::default_huge_page().and_then(HugePage::bytes) else {
        unreachable!("a machine with huge pages has a default size");
    };
    let map = Map::bytes(10)
        .anonymously()
        .with_huge_pages(HugePage::DEFAULT)
        .with(perms::None)
        .unwrap();
    assert_eq!(map.page_size() as u64, size);
    drop(map);
    let empty = Map::bytes(0)
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(
        (empty.len(), empty.page_size(), pool.used()),
        (0, HUGE, [0, 0])
    );
    pool.assert_whole();
}

#[test]
fn pages_are_brought_in_when_they_become_accessible() {
    needs!(huge_2mb);
    let pool = Pool::take();
    let map = Map::bytes(2 * HUGE)
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::None)
        .unwrap();
    assert_eq!(pool.used(), [0, 2], "reserved, but not there");
    let map = map.reprotect(perms::Read).unwrap();
    assert_eq!(pool.used(), [2, 0]);
    let mut map = map.reprotect(perms::ReadWrite).unwrap();
    map.fill(1);
    let map = map.reprotect(perms::None).unwrap();
    let map = map.reprotect(perms::Write).unwrap();
    assert_eq!(pool.used(), [2, 0]);
    drop(map);
    let shared = Map::bytes(HUGE)
        .anonymously()
        .with_kind(Shared)
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(pool.used(), [1, 0]);
    drop(shared);
    pool.assert_whole();
}

#[test]
fn an_empty_pool_is_a_sentence_with_figures() {
    needs!(huge_2mb);
    let pool = Pool::take();
    let error = Map::bytes(1 << 40)
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::ReadWrite)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::NOMEM);
    let text = error.to_string();
    let free = format!("{} of ", Pool::now()[0]);
    for words in [
        "mmap of 1099511627776 bytes in pages of 2 MiB failed with ENOMEM",
        &free,
        "pages of 2 MiB are free",
        "nr_hugepages",
        "Advice::HUGEPAGE",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    pool.assert_whole();
}

#[test]
fn a_size_that_the_machine_lacks_is_a_sentence() {
    let size = (31..40)
        .filter_map(HugePage::from_log2)
        .find(|&size| Support::huge_page_sizes().all(|other| other != size));
    let size = size.expect("no machine has them all");
    let error = Map::bytes(1)
        .anonymously()
        .with_huge_pages(size)
        .with(perms::Read)
        .unwrap_err();
    assert!([Errno::INVAL, Errno::NOMEM].contains(&error.errno()));
    if error.errno() == Errno::INVAL {
        assert!(
            error.to_string().contains("this machine has no pages of"),
            "{error}"
        );
    }
    for log2 in [1, 12, 63] {
        for len in [0, 1] {
            let error = Map::bytes(len)
                .anonymously()
                .with_huge_pages(HugePage::from_log2(log2).unwrap())
                .with(perms::Read)
                .unwrap_err();
            assert_eq!(error.errno(), Errno::INVAL, "{log2}: {error}");
        }
    }
}

#[test]
fn what_would_fault_later_is_refused() {
    let request = || {
        Map::bytes(HUGE)
            .anonymously()
            .with_huge_pages(HugePage::SIZE_2MB)
    };
    let error = request().no_reserve().with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP, "{error}");
    assert!(error.hint().contains("SIGBUS"), "{error}");
    let error = request().wipe_on_fork().with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL, "{error}");
}

#[test]
fn files_say_themselves_in_which_pages_they_are() {
    needs!(huge_2mb);
    let pool = Pool::take();
    let file = huge_file(2 * HUGE);
    let source = Source::of(&file).unwrap();
    assert_eq!((source.len(), source.page_size()), (2 * HUGE as u64, HUGE));
    let mut map = Map::bytes(10)
        .from(&file, HUGE as u64 - 5)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!((map.page_size(), map.pages().1), (HUGE, 2 * HUGE));
    assert_eq!(map.addr() % HUGE, HUGE - 5);
    map.write_at(0, b"0123456789").unwrap();
    let twin = Map::whole(&source).with(perms::Read).unwrap();
    let mut bytes = [0; 10];
    twin.read_at(HUGE - 5, &mut bytes).unwrap();
    assert_eq!(&bytes, b"0123456789");
    let same = Map::bytes(1)
        .from(&file, 0)
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::Read);
    assert_eq!(same.unwrap().page_size(), HUGE);

    file.set_len(0).unwrap();
    assert_eq!(
        twin.read_at(0, &mut bytes).unwrap_err().errno(),
        Errno::FAULT
    );
    assert_eq!(map.write_at(0, b"x").unwrap_err().errno(), Errno::FAULT);
    let error = Map::bytes(1).from(&file, 0).with(perms::Read).unwrap_err();
    assert!(
        [Errno::FAULT, Errno::INVAL].contains(&error.errno()),
        "past the end: {error}"
    );
    drop((map, twin, file));
    pool.assert_whole();
}

#[test]
fn other_sizes_than_the_file_has_are_refused() {
    let file = disk_file(page());
    let error = Map::bytes(1)
        .from(&file, 0)
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.hint().contains("in which pages"), "{error}");
}

#[test]
fn sealed_files_in_huge_pages_are_slices() {
    needs!(huge_2mb);
    let pool = Pool::take();
    let file = huge_file(2 * HUGE);
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).expect("seals");
    let error = Map::bytes(HUGE)
        .from_size_sealed(&file, 0)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP, "{error}");
    file.write_at(b"x", 0)
        .expect_err("hugetlbfs files are written through maps only");
    fcntl_add_seals(&file, SealFlags::WRITE).expect("seals");
    let read = Map::bytes(2 * HUGE)
        .from_sealed(&file, 0)
        .with(perms::Read)
        .unwrap();
    assert!(read.iter().all(|&byte| byte == 0));
    let mut own = Map::bytes(2 * HUGE)
        .from_sealed(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    own.fill(9);
    assert_eq!((read[HUGE], own[HUGE]), (0, 9));
    drop((read, own, file));
    pool.assert_whole();
}

#[test]
fn they_are_cut_where_huge_pages_start() {
    needs!(huge_2mb);
    let pool = Pool::take();
    let mut map = huge(3 * HUGE - 10);
    map.fill(5);
    let error = map.split(page()).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let (first, rest) = error.into_map().unwrap().split(HUGE).unwrap();
    let (second, third) = rest.split(HUGE).unwrap();
    assert_eq!((third.len(), third.pages().1), (HUGE - 10, HUGE));
    drop(second);
    assert_eq!(pool.used(), [2, 0]);
    let first = first.reprotect(perms::Read).unwrap();
    assert!(first.iter().chain(third.iter()).all(|&byte| byte == 5));
    drop((first, third));
    assert_eq!(pool.used(), [0, 0]);

    let map = huge(2 * HUGE);
    let (first, second) = map.split(HUGE).unwrap();
    let map = first.join(second).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(map.pages().1, 2 * HUGE);
    drop(map);

    // Reserved pages that never came in are given back as well.
    let map = Map::bytes(3 * HUGE)
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::None)
        .unwrap();
    let (first, rest) = map.split(HUGE).unwrap();
    drop(first);
    assert_eq!(pool.used(), [0, 2]);
    let rest = rest.reprotect(perms::ReadWrite).unwrap();
    assert_eq!(rest[HUGE], 0);
    drop(rest);
    pool.assert_whole();
}

#[test]
fn they_shrink_and_do_not_grow() {
    needs!(huge_2mb);
    let pool = Pool::take();
    let mut map = huge(3 * HUGE);
    map.fill(3);
    let map = map.resize(HUGE + 1).unwrap();
    assert_eq!((map.pages().1, pool.used()), (2 * HUGE, [2, 0]));
    let map = map.resize(2 * HUGE).unwrap();
    let error = map.resize(2 * HUGE + 1).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.hint().contains("huge pages do not grow"), "{error}");
    let map = error.into_map().unwrap();
    assert!(map.iter().all(|&byte| byte == 3));
    let map = map.resize_in_place(1).unwrap();
    assert_eq!(pool.used(), [1, 0]);
    let map = map.resize(0).unwrap();
    assert_eq!((map.page_size(), pool.used()), (HUGE, [0, 0]));
    assert_eq!(map.resize(1).unwrap_err().errno(), Errno::INVAL);
    pool.assert_whole();
}

#[test]
fn they_move_as_long_as_they_are_whole() {
    needs!(huge_2mb, linux = "5.16");
    let pool = Pool::take();
    let mut map = huge(2 * HUGE);
    map.fill(4);
    let place = Map::bytes(4 * HUGE)
        .aligned_to(HUGE)
        .anonymously()
        .with(perms::None);
    let address = place.unwrap().addr();
    let error = map.move_to(address + page()).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let map = error.into_map().unwrap().move_to(address).unwrap();
    assert!(map.addr() == address && map.iter().all(|&byte| byte == 4));
    assert_eq!(pool.used(), [2, 0]);

    let (first, second) = map.split(HUGE).unwrap();
    let error = second.move_to(address + 3 * HUGE).unwrap_err();
    assert!(error.hint().contains("split"), "{error}");
    let second = error.into_map().unwrap();
    assert!(first.iter().chain(second.iter()).all(|&byte| byte == 4));
    drop((first, second));
    pool.assert_whole();
}

#[test]
fn they_are_replaced_by_huge_pages_only() {
    needs!(huge_2mb, linux = "5.16");
    let pool = Pool::take();
    let mut map = huge(HUGE);
    map.fill(6);
    let address = map.addr();
    let error = map.remap().anonymously().with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let map = error.into_map().unwrap();
    let error = map
        .remap()
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .no_reserve()
        .with(perms::Read)
        .unwrap_err();
    let map = error.into_map().unwrap();
    assert_eq!(map[HUGE - 1], 6);
    let new = map
        .remap()
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::Read)
        .unwrap();
    assert_eq!(
        (new.addr(), new[HUGE - 1], pool.used()),
        (address, 0, [1, 0])
    );
    drop(new);

    let error = anonymous(HUGE)
        .remap()
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.into_map().is_some());
    pool.assert_whole();
}

#[test]
fn they_are_placed() {
    needs!(huge_2mb, linux = "5.16");
    let pool = Pool::take();
    let request = |len| {
        Map::bytes(len)
            .anonymously()
            .with_huge_pages(HugePage::SIZE_2MB)
    };
    let wide = request(HUGE)
        .aligned_to(64 << 20)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(wide.addr() % (64 << 20), 0);
    let place = Map::bytes(4 * HUGE)
        .aligned_to(HUGE)
        .anonymously()
        .with(perms::None)
        .unwrap();
    let address = place.addr();
    let error = request(1).at(address).with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::EXIST, "{error}");
    drop(place);
    let fixed = request(1).at(address).with(perms::Read).unwrap();
    assert_eq!(fixed.addr(), address);
    let error = request(1)
        .at(address + HUGE + page())
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(
        error.errno(),
        Errno::INVAL,
        "no huge page starts there: {error}"
    );
    let file = huge_file(HUGE);
    let file = Map::bytes(5)
        .at(address + HUGE + 7)
        .from(&file, 7)
        .with(perms::Read)
        .unwrap();
    assert_eq!(file.addr(), address + HUGE + 7);
    let near = request(1)
        .near(address + 2 * HUGE)
        .with(perms::Read)
        .unwrap();
    assert_eq!(near.addr() % HUGE, 0);
    drop((wide, fixed, file, near));
    pool.assert_whole();
}

#[test]
fn they_are_neither_taken_nor_given_back() {
    needs!(huge_2mb);
    let pool = Pool::take();
    let mut map = huge(2 * HUGE);
    map.fill(8);
    assert_eq!(map.take_pages().unwrap_err().errno(), Errno::INVAL);
    assert_eq!(map.take_pages_at(..HUGE).unwrap_err().errno(), Errno::INVAL);
    let error = map.discard(..HUGE).unwrap_err();
    assert!(error.hint().contains("SIGBUS"), "{error}");
    assert!(map.iter().all(|&byte| byte == 8));
    let map = map.free(..).unwrap_err().into_map().unwrap();
    let exposed = map.expose();
    assert_eq!(
        exposed
            .view(..)
            .unwrap()
            .discard(..HUGE)
            .unwrap_err()
            .errno(),
        Errno::INVAL
    );
    drop(exposed);

    let file = huge_file(HUGE);
    let mut private = Map::bytes(HUGE)
        .from(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(private.revert(..).unwrap_err().errno(), Errno::INVAL);
    let mut shared = Map::bytes(HUGE)
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(shared.punch_hole(..).unwrap_err().errno(), Errno::INVAL);
    assert_eq!(shared.duplicate().unwrap_err().errno(), Errno::INVAL);
    drop((private, shared, file));
    pool.assert_whole();
}

#[test]
fn hints_and_locks_work_on_them() {
    needs!(huge_2mb);
    let pool = Pool::take();
    let mut map = huge(2 * HUGE);
    map.advise(1..2, Advice::DONTDUMP).unwrap();
    map.lock(..HUGE).unwrap();
    map.unlock(..).unwrap();
    assert_eq!(
        map.advise(.., Advice::COLD).unwrap_err().errno(),
        Errno::INVAL
    );
    map.fill(1);
    assert_eq!(bytes_of(&map), vec![1; 2 * HUGE]);
    drop(map);
    // Neighbours of ordinary pages are not reached.
    let small = file_map(page(), Private);
    assert_eq!(small.page_size(), page());
    pool.assert_whole();
}
