//! `mremap`, `mremap_fixed`.

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use mmarinus_sys::{
    Errno, MapFlags, ProtFlags, RemapFlags, Result, mmap, mremap, mremap_fixed, munmap, page_size,
};

use crate::common::{Pages, RW, Vma, memfd, older_than, punch};
use crate::testing::{in_child, skip};

const MAYMOVE: RemapFlags = RemapFlags::MAYMOVE;
const DONTUNMAP: RemapFlags = RemapFlags::DONTUNMAP;

/// Remaps pages of the test's own. What leaves `pages` must be unmapped by the test.
fn remap(
    pages: &Pages,
    old_size: usize,
    new_size: usize,
    flags: RemapFlags,
) -> Result<NonNull<c_void>> {
    // SAFETY: the pages belong to the test, and nothing borrows from them.
    unsafe { mremap(pages.addr(), old_size, new_size, flags) }
}

/// Moves a page of the test's own to an address that is the test's own.
fn remap_to(old: *mut c_void, flags: RemapFlags, new: *mut c_void) -> Result<NonNull<c_void>> {
    // SAFETY: both places belong to the test, and nothing borrows from them.
    unsafe { mremap_fixed(old, page_size(), page_size(), flags, new) }
}

/// Moves a page and leaves an empty one in its place, with garbage in the register of the fifth argument.
#[inline(never)]
fn take_page(old: *mut c_void) -> Result<NonNull<c_void>> {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the register is given back as one that was overwritten.
    unsafe {
        core::arch::asm!("mov r8, 0x1357", out("r8") _);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the register is given back as one that was overwritten.
    unsafe {
        core::arch::asm!("mov x4, #0x1357", out("x4") _);
    }
    // SAFETY: the page belongs to the test, and nothing borrows from it.
    unsafe { mremap(old, page_size(), page_size(), MAYMOVE | DONTUNMAP) }
}

#[test]
fn a_map_grows_and_shrinks_with_its_bytes() {
    let pages = Pages::new(2);
    pages.set(0, 1);
    pages.set(page_size(), 2);
    let grown = remap(&pages, pages.len(), 64 * page_size(), MAYMOVE).unwrap();
    core::mem::forget(pages);
    let pages = Pages::from_raw(grown.as_ptr(), 64 * page_size());
    assert_eq!(
        (
            pages.get(0),
            pages.get(page_size()),
            pages.get(63 * page_size())
        ),
        (1, 2, 0)
    );
    let shrunk = remap(&pages, pages.len(), page_size(), RemapFlags::empty()).unwrap();
    core::mem::forget(pages);
    let pages = Pages::from_raw(shrunk.as_ptr(), page_size());
    assert_eq!(shrunk, grown);
    assert_eq!(pages.get(0), 1);
}

#[test]
fn without_maymove_a_map_grows_only_into_free_room() {
    let status = in_child!({
        let pages = Pages::new(2);
        let front = Pages::from_raw(pages.addr(), page_size());
        assert_eq!(
            remap(&front, page_size(), 2 * page_size(), RemapFlags::empty()),
            Err(Errno::NOMEM)
        );
        punch(&pages, 1, 1);
        assert_eq!(
            remap(&front, page_size(), 2 * page_size(), RemapFlags::empty())
                .unwrap()
                .as_ptr(),
            pages.addr()
        );
        pages.set(page_size(), 1);
    });
    assert!(status.success());
}

#[test]
fn pages_move_with_dontunmap_every_time() {
    let pages = Pages::new(1);
    for round in 1..=20 {
        pages.set(0, round);
        let taken = match take_page(pages.addr()) {
            Err(Errno::INVAL) if older_than(5, 7) => skip!("MREMAP_DONTUNMAP needs Linux 5.7"),
            taken => taken.unwrap(),
        };
        let taken = Pages::from_raw(taken.as_ptr(), page_size());
        assert_eq!((taken.get(0), pages.get(0)), (round, 0));
        assert_eq!(Vma::at(pages.addr()).unwrap().perms, "rw-p");
    }
}

#[test]
fn dontunmap_moves_to_a_place_of_choice() {
    let pages = Pages::new(3);
    pages.set(0, 7);
    let moved = remap_to(pages.page(0), MAYMOVE | DONTUNMAP, pages.page(2)).unwrap();
    assert_eq!(moved.as_ptr(), pages.page(2));
    assert_eq!((pages.get(0), pages.get(2 * page_size())), (0, 7));
}

#[test]
fn dontunmap_needs_maymove_and_equal_sizes() {
    let pages = Pages::new(2);
    assert_eq!(
        remap(&pages, page_size(), page_size(), DONTUNMAP),
        Err(Errno::INVAL)
    );
    assert_eq!(
        remap(&pages, page_size(), 2 * page_size(), MAYMOVE | DONTUNMAP),
        Err(Errno::INVAL)
    );
    assert_eq!(
        remap(&pages, 0, page_size(), MAYMOVE | DONTUNMAP),
        Err(Errno::INVAL)
    );
}

#[test]
fn a_fixed_move_replaces_and_leaves_a_hole() {
    let status = in_child!({
        let pages = Pages::new(3);
        pages.set(0, 7);
        pages.set(2 * page_size(), 8);
        let moved = remap_to(pages.page(0), MAYMOVE, pages.page(2)).unwrap();
        assert_eq!(moved.as_ptr(), pages.page(2));
        assert_eq!(pages.get(2 * page_size()), 7);
        assert!(Vma::at(pages.page(0)).is_none());
    });
    assert!(status.success());
}

#[test]
fn a_fixed_move_is_checked() {
    let pages = Pages::new(3);
    let beyond = ptr::without_provenance_mut(usize::MAX & !(page_size() - 1));
    for (flags, new) in [
        (MAYMOVE, ptr::null_mut()),
        (MAYMOVE | DONTUNMAP, ptr::null_mut()),
        (RemapFlags::empty(), pages.page(2)),
        (MAYMOVE, pages.byte(2 * page_size() + 1).cast()),
        (MAYMOVE, pages.page(0)),
        (MAYMOVE, beyond),
    ] {
        assert_eq!(
            remap_to(pages.page(0), flags, new),
            Err(Errno::INVAL),
            "{flags:?} {new:?}"
        );
    }
    assert_eq!(
        remap_to(pages.byte(1).cast(), MAYMOVE, pages.page(2)),
        Err(Errno::INVAL)
    );
}

#[test]
fn sizes_and_flags_are_checked() {
    let pages = Pages::new(1);
    assert_eq!(remap(&pages, page_size(), 0, MAYMOVE), Err(Errno::INVAL));
    assert_eq!(
        remap(
            &pages,
            page_size(),
            page_size(),
            RemapFlags::from_bits_retain(0x40)
        ),
        Err(Errno::INVAL)
    );
    let error = remap(&pages, page_size(), usize::MAX, MAYMOVE).unwrap_err();
    assert!(matches!(error, Errno::INVAL | Errno::NOMEM), "{error:?}");
    let error = remap(&pages, page_size(), isize::MAX as usize, MAYMOVE).unwrap_err();
    assert!(matches!(error, Errno::INVAL | Errno::NOMEM), "{error:?}");
    let unaligned = Pages::from_raw(pages.byte(1).cast(), 0);
    assert_eq!(
        remap(&unaligned, page_size(), page_size(), MAYMOVE),
        Err(Errno::INVAL)
    );
}

#[test]
fn the_bit_of_a_fixed_move_does_nothing_without_an_address() {
    let pages = Pages::new(2);
    pages.set(0, 1);
    let fixed = RemapFlags::from_bits_retain(linux_raw_sys::general::MREMAP_FIXED);
    let same = remap(&pages, page_size(), page_size(), MAYMOVE | fixed).unwrap();
    assert_eq!(same.as_ptr(), pages.addr());
    assert_eq!(pages.get(0), 1);
}

#[test]
fn address_zero_is_refused() {
    let nothing = Pages::from_raw(ptr::null_mut(), 0);
    assert_eq!(
        remap(&nothing, page_size(), page_size(), MAYMOVE),
        Err(Errno::INVAL)
    );
    core::mem::forget(nothing);
}

#[test]
fn what_is_not_mapped_cannot_move() {
    let status = in_child!({
        let pages = Pages::new(3);
        punch(&pages, 1, 1);
        let hole = Pages::from_raw(pages.page(1), page_size());
        // Older kernels do not look where there is nothing to do.
        let expected = if older_than(5, 16) {
            Ok(ptr::NonNull::new(hole.addr()).unwrap())
        } else {
            Err(Errno::FAULT)
        };
        assert_eq!(remap(&hole, page_size(), page_size(), MAYMOVE), expected);
        assert_eq!(
            remap(&pages, 3 * page_size(), 4 * page_size(), MAYMOVE),
            Err(Errno::FAULT)
        );
    });
    assert!(status.success());
}

#[test]
fn an_old_size_of_zero_maps_shared_pages_twice() {
    // SAFETY: no address is asked for, so nothing is replaced.
    let shared = unsafe {
        mmap(
            ptr::null_mut(),
            page_size(),
            RW,
            MapFlags::SHARED,
            memfd(1),
            0,
        )
    }
    .unwrap();
    let shared = Pages::from_raw(shared.as_ptr(), page_size());
    let twin = remap(&shared, 0, page_size(), MAYMOVE).unwrap();
    let twin = Pages::from_raw(twin.as_ptr(), page_size());
    assert_ne!(twin.addr(), shared.addr());
    shared.set(10, 77);
    assert_eq!(twin.get(10), 77);

    let private = Pages::with(1, ProtFlags::READ, MapFlags::PRIVATE);
    assert_eq!(remap(&private, 0, page_size(), MAYMOVE), Err(Errno::INVAL));
}

#[test]
fn a_range_of_two_maps_does_not_grow() {
    let pages = Pages::new(2);
    // SAFETY: the page belongs to the test, and nothing borrows from it.
    let second = unsafe {
        mmarinus_sys::mmap_anonymous(
            pages.page(1),
            page_size(),
            ProtFlags::READ,
            MapFlags::PRIVATE | MapFlags::FIXED,
        )
    };
    assert_eq!(second.unwrap().as_ptr(), pages.page(1));
    assert_eq!(
        remap(&pages, pages.len(), 3 * page_size(), MAYMOVE),
        Err(Errno::FAULT)
    );
}

#[test]
fn a_moved_map_is_gone_from_its_old_place() {
    let status = in_child!({
        let pages = Pages::new(1);
        let target = Pages::new(1);
        pages.set(0, 3);
        assert_eq!(
            remap_to(pages.addr(), MAYMOVE, target.addr())
                .unwrap()
                .as_ptr(),
            target.addr()
        );
        assert_eq!(target.get(0), 3);
        // SAFETY: nothing is there any more.
        assert_eq!(unsafe { munmap(pages.addr(), page_size()) }, Ok(()));
        assert!(Vma::at(pages.addr()).is_none());
    });
    assert!(status.success());
}
