//! Files in memory in huge pages: their states, what a receiver makes of them, and that no page is lost.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mmarinus::{Errno, HugePage, Private, Shared, perms};
use mmarinus_ext::ipc::Pool;
use mmarinus_ext::memfd::{Broadcast, Memfd, Open, Options, Sealed, SizeSealed};
use mmarinus_ext::snapshot;
use mmarinus_sys::{
    FallocateFlags, SealFlags, Support, fallocate, fcntl_add_seals, fcntl_get_seals,
};

use crate::common::ALL;
use crate::testing::{needs, skip};

/// The size of the pages of these tests in bytes.
const HUGE: u64 = 2 << 20;

/// Holds the pages, which all tests share, and looks at its end whether all are back.
struct Pages {
    _turn: MutexGuard<'static, ()>,
    before: [u64; 2],
}

impl Pages {
    fn take() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            _turn: turn,
            before: Self::now(),
        }
    }

    /// How many are free, and how many of those are reserved.
    fn now() -> [u64; 2] {
        let pool = Support::huge_pages(HugePage::SIZE_2MB).expect("a pool");
        [pool.free, pool.reserved]
    }

    fn assert_whole(self) {
        assert_eq!(Self::now(), self.before, "huge pages were lost");
    }
}

/// A file in huge pages, which needs none of them as long as nobody touches it.
fn huge(len: u64) -> Option<Memfd<Open>> {
    let options = Options::new().huge_pages(HugePage::SIZE_2MB);
    options.create("huge", len).ok()
}

#[test]
fn pages_that_the_machine_lacks_are_refused() {
    let sixteen = HugePage::from_log2(44).unwrap();
    let error = Options::new()
        .huge_pages(sixteen)
        .create("too huge", 0)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::NODEV);
    assert!(
        error.to_string().contains("/sys/kernel/mm/hugepages"),
        "{error}"
    );
}

#[test]
fn a_file_has_whole_pages() {
    let Some(memfd) = huge(1) else {
        skip!("the machine has no huge pages of 2 MiB");
    };
    assert_eq!(memfd.huge_pages(), Some(HugePage::SIZE_2MB));
    assert_eq!(memfd.len().unwrap(), HUGE);
    memfd.set_len(HUGE + 1).unwrap();
    assert_eq!(memfd.len().unwrap(), 2 * HUGE);
    assert_eq!(memfd.set_len(u64::MAX).unwrap_err().errno(), Errno::INVAL);
    assert!(memfd.write_at(0, b"x").is_err());
    let default = Options::new()
        .huge_pages(HugePage::DEFAULT)
        .create("default", 1)
        .unwrap();
    assert_eq!(
        default.huge_pages().unwrap().bytes(),
        Some(default.len().unwrap())
    );
}

#[test]
fn the_size_alone_is_not_sealed() {
    let Some(memfd) = huge(1) else {
        skip!("the machine has no huge pages of 2 MiB");
    };
    let error = memfd.seal_size().unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP);
    assert!(error.to_string().contains("SIGBUS"), "{error}");
    let memfd = error.into_inner();
    assert!(!fcntl_get_seals(&memfd).unwrap().intersects(ALL));
    // A peer may do so, and it is not believed.
    fcntl_add_seals(
        &memfd,
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE,
    )
    .unwrap();
    let file = OwnedFd::from(memfd);
    let error = Memfd::<SizeSealed>::try_from(file).unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP);
    let error = Memfd::<Broadcast>::try_from(error.into_inner()).unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP);
    let error = Memfd::<Open>::try_from(error.into_inner()).unwrap_err();
    assert!(error.to_string().contains("sealed already"), "{error}");
}

#[test]
fn without_free_pages_a_file_stays_open() {
    let Some(memfd) = huge(1 << 40) else {
        skip!("the machine has no huge pages of 2 MiB");
    };
    let pages = Pages::take();
    let error = memfd.seal().unwrap_err();
    assert!(
        [Errno::NOMEM, Errno::NOSPC].contains(&error.errno()),
        "{error}"
    );
    assert!(error.to_string().contains("nr_hugepages"), "{error}");
    let memfd = error.into_inner();
    assert!(!fcntl_get_seals(&memfd).unwrap().contains(SealFlags::WRITE));
    let map = memfd
        .map_range(0, 1 << 40)
        .with_kind(Shared)
        .with(perms::ReadWrite);
    assert_eq!(map.unwrap_err().errno(), Errno::NOMEM);
    drop(memfd);
    pages.assert_whole();
}

#[test]
fn a_sealed_file_is_written_by_a_map_and_recognised() {
    needs!(huge_2mb);
    let pages = Pages::take();
    let memfd = huge(HUGE).unwrap();
    let mut map = memfd
        .map()
        .unwrap()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(map.page_size() as u64, HUGE);
    map.write_at(5, b"huge").unwrap();
    let error = memfd.seal().unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    assert!(
        error
            .to_string()
            .contains("this process maps it for writing"),
        "{error}"
    );
    drop(map);
    let sealed = error.into_inner().seal().unwrap();
    let sealed = Memfd::<Sealed>::try_from(OwnedFd::from(sealed)).unwrap();
    assert_eq!(
        (sealed.huge_pages(), sealed.len()),
        (Some(HugePage::SIZE_2MB), HUGE)
    );
    // A private map reserves as many pages as it has, for what may be written to it.
    match sealed.map().with_kind(Private).with(perms::Read) {
        Ok(map) => assert_eq!(&map[5..9], b"huge"),
        Err(error) => assert_eq!(error.errno(), Errno::NOMEM),
    }
    match sealed.map().with_kind(Shared).with(perms::Read) {
        Ok(map) => assert_eq!(&map[5..9], b"huge"),
        // Before Linux 6.7 there is no shared map of such a file.
        Err(error) => assert_eq!(error.errno(), Errno::PERM),
    }
    let error =
        Memfd::<SizeSealed>::try_from(OwnedFd::from(sealed.try_clone().unwrap())).unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP);
    // A copy in ordinary pages.
    let copy = snapshot::of(&sealed).unwrap();
    assert_eq!((copy.huge_pages(), copy.len()), (None, HUGE));
    assert_eq!(&copy.map().with(perms::Read).unwrap()[5..9], b"huge");
    drop((sealed, error));
    pages.assert_whole();
}

#[test]
fn a_sealed_file_with_holes_is_refused() {
    needs!(huge_2mb);
    let pages = Pages::take();
    let file = File::from(huge(4 * HUGE).unwrap());
    fallocate(&file, FallocateFlags::empty(), 0, HUGE).unwrap();
    fcntl_add_seals(&file, ALL).unwrap();
    let error = Memfd::<Sealed>::try_from(file).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("memory for {HUGE} of its {} bytes", 4 * HUGE)),
        "{error}"
    );
    drop(error);
    pages.assert_whole();
}

#[test]
fn buffers_in_huge_pages_are_one_word() {
    needs!(huge_2mb);
    let pages = Pages::take();
    let mut pool = Pool::in_huge_pages(1, HugePage::SIZE_2MB);
    let mut buffer = pool.take().unwrap();
    buffer.write_at(0, b"h").unwrap();
    let theirs = buffer.as_fd().try_clone_to_owned().unwrap();
    let theirs = Memfd::<Open>::try_from(theirs).unwrap();
    assert_eq!(theirs.huge_pages(), Some(HugePage::SIZE_2MB));
    let mut byte = [0];
    theirs
        .map()
        .unwrap()
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap()
        .read_at(0, &mut byte)
        .unwrap();
    assert_eq!(&byte, b"h");
    // The peer takes the page away: an error, as nothing else is promised.
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&theirs, punch, 0, HUGE).unwrap();
    match buffer.write_at(0, b"i") {
        Ok(()) => assert!(theirs.len().is_ok()),
        Err(fault) => assert_eq!(fault.errno(), Errno::FAULT),
    }
    drop(theirs);
    pool.give_back(buffer);
    assert_eq!((pool.made(), pool.free()), (1, 1));
    drop(pool);
    pages.assert_whole();
}
