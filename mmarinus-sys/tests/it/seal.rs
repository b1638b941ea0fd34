//! `mseal`. Each test runs in a child, since what is sealed stays until its process ends.

use core::ffi::c_void;

use mmarinus_sys::{
    Advice, Errno, MapFlags, MprotectFlags, ProtFlags, RemapFlags, Result, madvise, mmap_anonymous,
    mprotect, mremap, mremap_fixed, mseal, munmap, page_size,
};

use crate::common::{Pages, RW, Vma, punch};
use crate::testing::{in_child, needs};

/// Seals pages of the test's own.
fn seal(addr: *mut c_void, len: usize) -> Result<()> {
    // SAFETY: the pages belong to the test, which wants them to stay.
    unsafe { mseal(addr, len) }
}

#[test]
fn a_sealed_map_refuses_every_change() {
    needs!(mseal);
    let status = in_child!({
        let pages = Pages::new(3);
        pages.set(page_size(), 5);
        let (addr, len) = (pages.page(1), page_size());
        seal(addr, 1).unwrap();

        // SAFETY: the pages belong to the test, and nothing borrows from them.
        assert_eq!(unsafe { munmap(addr, len) }, Err(Errno::PERM));
        // SAFETY: as above.
        let answer = unsafe { munmap(pages.addr(), pages.len()) };
        assert_eq!(answer, Err(Errno::PERM));
        // SAFETY: as above.
        let answer = unsafe { mprotect(addr, len, MprotectFlags::READ) };
        assert_eq!(answer, Err(Errno::PERM));
        // SAFETY: as above.
        let answer = unsafe { mremap(addr, len, 2 * len, RemapFlags::MAYMOVE) };
        assert_eq!(answer, Err(Errno::PERM));
        // SAFETY: as above.
        let moved = unsafe { mremap_fixed(addr, len, len, RemapFlags::MAYMOVE, pages.page(2)) };
        assert_eq!(moved, Err(Errno::PERM));
        // SAFETY: as above.
        let onto = unsafe { mremap_fixed(pages.page(2), len, len, RemapFlags::MAYMOVE, addr) };
        assert_eq!(onto, Err(Errno::PERM));
        // SAFETY: as above.
        let replaced =
            unsafe { mmap_anonymous(addr, len, RW, MapFlags::PRIVATE | MapFlags::FIXED) };
        assert_eq!(replaced, Err(Errno::PERM));

        assert_eq!(pages.get(page_size()), 5);
        pages.set(page_size(), 6);
        // SAFETY: the neighbour belongs to the test, and nothing borrows from it.
        assert_eq!(unsafe { munmap(pages.page(0), len) }, Ok(()));
    });
    assert!(status.success());
}

#[test]
fn bytes_are_safe_from_advice_where_they_cannot_be_written() {
    needs!(mseal);
    let status = in_child!({
        let advise = |pages: &Pages, advice| {
            // SAFETY: the pages belong to the test, and nothing borrows from them.
            unsafe { madvise(pages.addr(), pages.len(), advice) }
        };
        let read_only = Pages::new(1);
        read_only.set(0, 5);
        // SAFETY: the page belongs to the test, and nothing borrows from it.
        unsafe { mprotect(read_only.addr(), page_size(), ProtFlags::READ.into()) }.unwrap();
        seal(read_only.addr(), page_size()).unwrap();
        for advice in [
            Advice::DONTNEED,
            Advice::FREE,
            Advice::DONTFORK,
            Advice::WIPEONFORK,
        ] {
            assert_eq!(advise(&read_only, advice), Err(Errno::PERM), "{advice:?}");
        }
        assert_eq!(advise(&read_only, Advice::RANDOM), Ok(()));
        assert_eq!(read_only.get(0), 5);

        let writable = Pages::new(1);
        writable.set(0, 5);
        seal(writable.addr(), page_size()).unwrap();
        assert_eq!(advise(&writable, Advice::DONTNEED), Ok(()));
        assert_eq!(writable.get(0), 0);
    });
    assert!(status.success());
}

#[test]
fn a_range_that_cannot_be_sealed_is_left_alone() {
    needs!(mseal);
    let status = in_child!({
        let pages = Pages::new(3);
        punch(&pages, 1, 1);
        assert_eq!(seal(pages.addr(), pages.len()), Err(Errno::NOMEM));
        assert_eq!(seal(pages.page(1), page_size()), Err(Errno::NOMEM));
        assert_eq!(seal(pages.byte(1).cast(), 1), Err(Errno::INVAL));
        let wraps = usize::MAX & !(page_size() - 1);
        assert_eq!(seal(pages.addr(), wraps), Err(Errno::INVAL));
        assert_eq!(seal(pages.addr(), usize::MAX), Err(Errno::INVAL));
        assert_eq!(seal(pages.addr(), 0), Ok(()));
        // SAFETY: the page belongs to the test, and nothing borrows from it.
        assert_eq!(unsafe { munmap(pages.addr(), page_size()) }, Ok(()));
    });
    assert!(status.success());
}

#[test]
fn a_seal_goes_no_further_than_its_pages() {
    needs!(mseal);
    let status = in_child!({
        let pages = Pages::new(3);
        seal(pages.page(1), page_size()).unwrap();
        let map = Vma::at(pages.page(1)).unwrap();
        assert_eq!(
            (map.start, map.end),
            (pages.page(1).addr(), pages.page(2).addr())
        );
    });
    assert!(status.success());
}
