//! `mlock`, `mlock2`, `munlock`, `mlockall`, `munlockall`.

use core::ffi::c_void;

use mmarinus_sys::{
    Errno, MapFlags, MlockAllFlags, MlockFlags, ProtFlags, Result, mlock, mlock2, mlockall,
    munlock, munlockall, page_size,
};

use crate::common::{Pages, RW, Vma, drop_capabilities, limit_locked, punch};
use crate::testing::{in_child, skip};

/// Locks memory, the test's own or none.
fn lock(addr: *mut c_void, len: usize) -> Result<()> {
    // SAFETY: the range belongs to the test, or nothing is there.
    unsafe { mlock(addr, len) }
}

/// Locks memory with flags, the test's own or none.
fn lock2(addr: *mut c_void, len: usize, flags: MlockFlags) -> Result<()> {
    // SAFETY: the range belongs to the test, or nothing is there.
    unsafe { mlock2(addr, len, flags) }
}

/// Unlocks memory, the test's own or none.
fn unlock(addr: *mut c_void, len: usize) -> Result<()> {
    // SAFETY: the range belongs to the test, or nothing is there.
    unsafe { munlock(addr, len) }
}

/// Whether the page is locked.
fn is_locked(addr: *mut c_void) -> bool {
    Vma::at(addr).expect("a map").has("lo")
}

/// Whether this process may not lock a few pages.
fn forbidden() -> bool {
    let pages = Pages::new(8);
    lock(pages.addr(), pages.len()).is_err()
}

#[test]
fn locks_are_for_whole_pages_and_do_not_nest() {
    if forbidden() {
        skip!("no right to lock a page");
    }
    let pages = Pages::new(4);
    let across = pages.byte(2 * page_size() - 1).cast();
    lock(across, 2).unwrap();
    lock(across, 2).unwrap();
    assert_eq!(
        [0, 1, 2, 3].map(|page| is_locked(pages.page(page))),
        [false, true, true, false]
    );
    unlock(across, 1).unwrap();
    assert_eq!(
        [0, 1, 2, 3].map(|page| is_locked(pages.page(page))),
        [false, false, true, false]
    );
    lock(pages.page(0), 0).unwrap();
    assert!(!is_locked(pages.page(0)));
}

#[test]
fn locking_reads_in_now_or_on_the_first_touch() {
    if forbidden() {
        skip!("no right to lock a page");
    }
    let status = in_child!({
        let rss = |pages: &Pages| Vma::at(pages.addr()).unwrap().kilobytes("Rss");
        let now = Pages::new(4);
        lock2(now.addr(), now.len(), MlockFlags::empty()).unwrap();
        assert_eq!(rss(&now), now.len() / 1024);
        let later = Pages::new(4);
        lock2(later.addr(), later.len(), MlockFlags::ONFAULT).unwrap();
        assert!(is_locked(later.addr()));
        assert_eq!(rss(&later), 0);
        later.set(0, 1);
        assert_eq!(rss(&later), page_size() / 1024);
    });
    assert!(status.success());
}

#[test]
fn lengths_that_wrap_around_are_refused() {
    let pages = Pages::new(2);
    let addr = pages.addr();
    let to_the_end = addr.addr().wrapping_neg();
    for len in [
        usize::MAX,
        usize::MAX - page_size() + 2,
        to_the_end,
        to_the_end - 1,
        to_the_end + 1,
    ] {
        assert_eq!(lock(addr, len), Err(Errno::INVAL), "{len:#x}");
        assert_eq!(
            lock2(addr, len, MlockFlags::ONFAULT),
            Err(Errno::INVAL),
            "{len:#x}"
        );
        assert_eq!(unlock(addr, len), Err(Errno::INVAL), "{len:#x}");
    }
    for addr in [core::ptr::null_mut(), core::ptr::without_provenance_mut(1)] {
        assert_eq!(lock(addr, usize::MAX), Err(Errno::INVAL));
    }
    assert!(!is_locked(addr));
}

#[test]
fn memory_that_cannot_be_read_in_is_refused() {
    if forbidden() {
        skip!("no right to lock a page");
    }
    let status = in_child!({
        let none = Pages::with(1, ProtFlags::empty(), MapFlags::PRIVATE);
        assert_eq!(lock(none.addr(), page_size()), Err(Errno::NOMEM));
        let pages = Pages::new(3);
        punch(&pages, 1, 1);
        assert_eq!(lock(pages.addr(), pages.len()), Err(Errno::NOMEM));
        assert_eq!(unlock(pages.addr(), pages.len()), Err(Errno::NOMEM));
        assert_eq!(lock(pages.page(1), page_size()), Err(Errno::NOMEM));
    });
    assert!(status.success());
}

#[test]
fn unknown_flags_are_refused() {
    let pages = Pages::new(1);
    for bits in [2, 1 << 31, u32::MAX] {
        let flags = MlockFlags::from_bits_retain(bits);
        assert_eq!(
            lock2(pages.addr(), page_size(), flags),
            Err(Errno::INVAL),
            "{bits:#x}"
        );
    }
    for bits in [0, MlockAllFlags::ONFAULT.bits(), 1 << 31, u32::MAX] {
        let flags = MlockAllFlags::from_bits_retain(bits);
        assert_eq!(mlockall(flags), Err(Errno::INVAL), "{bits:#x}");
    }
}

#[test]
fn who_may_lock_little_is_told_so() {
    let status = in_child!({
        drop_capabilities();
        let pages = Pages::new(3);
        limit_locked(2 * page_size() as u64);
        assert_eq!(lock(pages.addr(), 3 * page_size()), Err(Errno::NOMEM));
        assert_eq!(lock(pages.addr(), 2 * page_size()), Ok(()));
        assert_eq!(mlockall(MlockAllFlags::CURRENT), Err(Errno::NOMEM));
        unlock(pages.addr(), pages.len()).unwrap();
        limit_locked(0);
        assert_eq!(lock(pages.addr(), page_size()), Err(Errno::PERM));
        assert_eq!(
            lock2(pages.addr(), page_size(), MlockFlags::ONFAULT),
            Err(Errno::PERM)
        );
        assert_eq!(mlockall(MlockAllFlags::FUTURE), Err(Errno::PERM));
        assert_eq!(unlock(pages.addr(), page_size()), Ok(()));
    });
    assert!(status.success());
}

#[test]
fn all_memory_is_locked_and_unlocked() {
    let status = in_child!({
        let lock_all = |flags| mlockall(flags | MlockAllFlags::ONFAULT);
        let before = Pages::new(1);
        match lock_all(MlockAllFlags::CURRENT) {
            // Less than what the process has may be locked, and the kernel says so.
            Err(error) => assert!(matches!(error, Errno::NOMEM | Errno::PERM)),
            Ok(()) => {
                assert!(is_locked(before.addr()));
                assert!(!is_locked(Pages::with(1, RW, MapFlags::SHARED).addr()));
                lock_all(MlockAllFlags::FUTURE).unwrap();
                assert!(is_locked(Pages::with(1, RW, MapFlags::SHARED).addr()));
            }
        }
        munlockall().unwrap();
        assert!(!is_locked(before.addr()));
        assert!(!is_locked(Pages::with(1, RW, MapFlags::SHARED).addr()));
    });
    assert!(status.success());
}

#[test]
fn no_bytes_within_a_page_are_that_page() {
    if forbidden() {
        skip!("no right to lock a page");
    }
    let pages = Pages::new(2);
    lock(pages.byte(1).cast(), 0).unwrap();
    assert_eq!(
        [0, 1].map(|page| is_locked(pages.page(page))),
        [true, false]
    );
    unlock(pages.byte(1).cast(), 0).unwrap();
    assert!(!is_locked(pages.addr()));
}
