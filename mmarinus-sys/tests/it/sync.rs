//! `msync`.

use core::ffi::c_void;
use core::ptr;
use std::fs::File;
use std::os::fd::AsFd;

use mmarinus_sys::{Errno, MapFlags, MsyncFlags, Result, cachestat, mlock, mmap, msync, page_size};

use crate::common::{Pages, RW, disk_file, memfd, punch};
use crate::testing::{in_child, skip};

/// Writes back pages of the test's own.
fn sync(addr: *mut c_void, len: usize, flags: MsyncFlags) -> Result<()> {
    // SAFETY: the pages belong to the test.
    unsafe { msync(addr, len, flags) }
}

/// Maps a file, shared and writable, for as long as the result lives.
fn file(count: usize, fd: impl AsFd) -> Pages {
    let len = count * page_size();
    // SAFETY: no address is asked for, so nothing is replaced.
    let addr = unsafe { mmap(ptr::null_mut(), len, RW, MapFlags::SHARED, fd, 0) };
    Pages::from_raw(addr.expect("a map").as_ptr(), len)
}

/// How many pages of a file are yet to be written back.
fn dirty(file: &File) -> Result<u64> {
    cachestat(file, 0, 0).map(|stat| stat.nr_dirty)
}

#[test]
fn changed_pages_are_written_back() {
    const TMPFS: i64 = 0x0102_1994;
    let fd = disk_file(1);
    if rustix::fs::fstatfs(&fd).unwrap().f_type as i64 == TMPFS {
        skip!("temporary files live in memory, which is never written back");
    }
    if dirty(&fd) == Err(Errno::NOSYS) {
        skip!("what is written back shows in cachestat, which needs Linux 6.5");
    }
    let pages = file(1, &fd);
    pages.set(0, 1);
    assert_eq!(dirty(&fd), Ok(1));
    sync(pages.addr(), page_size(), MsyncFlags::SYNC).unwrap();
    assert_eq!(dirty(&fd), Ok(0));
}

#[test]
fn any_kind_of_memory_is_taken() {
    let fd = memfd(1);
    for pages in [Pages::new(1), file(1, &fd)] {
        for flags in [
            MsyncFlags::SYNC,
            MsyncFlags::ASYNC,
            MsyncFlags::INVALIDATE,
            MsyncFlags::empty(),
        ] {
            assert_eq!(sync(pages.addr(), page_size(), flags), Ok(()), "{flags:?}");
        }
        assert_eq!(sync(pages.addr(), 0, MsyncFlags::SYNC), Ok(()));
    }
}

#[test]
fn a_failure_has_its_errno() {
    let pages = Pages::new(1);
    let both = MsyncFlags::ASYNC | MsyncFlags::SYNC;
    assert_eq!(sync(pages.addr(), page_size(), both), Err(Errno::INVAL));
    assert_eq!(
        sync(
            pages.addr(),
            page_size(),
            MsyncFlags::from_bits_retain(0x40)
        ),
        Err(Errno::INVAL)
    );
    assert_eq!(
        sync(pages.byte(1).cast(), page_size(), MsyncFlags::SYNC),
        Err(Errno::INVAL)
    );
    let wraps = usize::MAX & !(page_size() - 1);
    assert_eq!(
        sync(pages.addr(), wraps, MsyncFlags::SYNC),
        Err(Errno::NOMEM)
    );
    let status = in_child!({
        let pages = Pages::new(3);
        punch(&pages, 1, 1);
        assert_eq!(
            sync(pages.addr(), pages.len(), MsyncFlags::SYNC),
            Err(Errno::NOMEM)
        );
    });
    assert!(status.success());
}

#[test]
fn locked_pages_are_not_invalidated() {
    let pages = file(1, memfd(1));
    // SAFETY: the page belongs to the test.
    if let Err(error) = unsafe { mlock(pages.addr(), page_size()) } {
        skip!("no right to lock a page: {error:?}");
    }
    assert_eq!(
        sync(pages.addr(), page_size(), MsyncFlags::INVALIDATE),
        Err(Errno::BUSY)
    );
    assert_eq!(sync(pages.addr(), page_size(), MsyncFlags::SYNC), Ok(()));
}
