//! `mprotect`, and the limit on the number of maps that it meets first.

use core::ffi::c_void;
use core::ptr;
use std::fs::File;

use mmarinus_sys::{
    Advice, Errno, MapFlags, MprotectFlags, ProtFlags, Result, madvise, mlock, mmap, mprotect,
    munmap, page_size,
};

use crate::common::{Pages, RW, Vma, older_than, punch, signal};
use crate::testing::{in_child, skip};

/// Changes pages of the test's own.
fn protect(addr: *mut c_void, len: usize, prot: MprotectFlags) -> Result<()> {
    // SAFETY: the pages belong to the test, and nothing borrows from them.
    unsafe { mprotect(addr, len, prot) }
}

#[test]
fn pages_become_what_is_asked_for() {
    let pages = Pages::new(3);
    for (prot, perms) in [
        (MprotectFlags::empty(), "---p"),
        (MprotectFlags::READ, "r--p"),
        (MprotectFlags::READ | MprotectFlags::EXEC, "r-xp"),
        (
            MprotectFlags::READ | MprotectFlags::WRITE | MprotectFlags::SEM,
            "rw-p",
        ),
        (ProtFlags::READ.into(), "r--p"),
    ] {
        protect(pages.page(1), page_size(), prot).unwrap();
        assert_eq!(Vma::at(pages.page(1)).unwrap().perms, perms);
    }
    assert_eq!(Vma::at(pages.page(0)).unwrap().perms, "rw-p");
    assert_eq!(Vma::at(pages.page(2)).unwrap().perms, "rw-p");
}

#[test]
fn a_length_is_rounded_up_to_pages_and_zero_does_nothing() {
    let pages = Pages::new(2);
    protect(pages.addr(), 0, MprotectFlags::empty()).unwrap();
    assert_eq!(Vma::at(pages.addr()).unwrap().perms, "rw-p");
    protect(pages.addr(), 1, MprotectFlags::READ).unwrap();
    assert_eq!(
        Vma::at(pages.byte(page_size() - 1).cast()).unwrap().perms,
        "r--p"
    );
    assert_eq!(Vma::at(pages.page(1)).unwrap().perms, "rw-p");
}

#[test]
fn touching_what_is_not_allowed_is_a_signal() {
    let status = in_child!({
        let pages = Pages::new(1);
        protect(pages.addr(), page_size(), MprotectFlags::READ).unwrap();
        assert_eq!(pages.get(0), 0);
        pages.set(0, 1);
    });
    assert_eq!(signal(status), Some(libc::SIGSEGV));
}

#[test]
fn arguments_are_checked() {
    let pages = Pages::new(2);
    let read = MprotectFlags::READ;
    assert_eq!(
        protect(pages.byte(1).cast(), page_size(), read),
        Err(Errno::INVAL)
    );
    for prot in [
        MprotectFlags::from_bits_retain(0x40),
        MprotectFlags::GROWSDOWN,
        MprotectFlags::GROWSUP,
    ] {
        assert_eq!(
            protect(pages.addr(), page_size(), read | prot),
            Err(Errno::INVAL),
            "{prot:?}"
        );
    }
    let both = MprotectFlags::GROWSDOWN | MprotectFlags::GROWSUP;
    assert_eq!(protect(pages.addr(), page_size(), both), Err(Errno::INVAL));
    assert_eq!(Vma::at(pages.page(0)).unwrap().perms, "rw-p");
}

#[test]
fn lengths_that_nobody_has_are_refused_and_not_truncated() {
    let status = in_child!({
        let pages = Pages::new(2);
        // The hole keeps the call from going on into what belongs to others.
        punch(&pages, 1, 1);
        let wraps = usize::MAX & !(page_size() - 1);
        for len in [wraps, usize::MAX, isize::MAX as usize] {
            assert_eq!(
                protect(pages.addr(), len, MprotectFlags::READ),
                Err(Errno::NOMEM),
                "{len:#x}"
            );
        }
    });
    assert!(status.success());
}

#[test]
fn growsdown_reaches_the_start_of_the_map() {
    let status = in_child!({
        let pages = Pages::with(3, RW, MapFlags::PRIVATE | MapFlags::GROWSDOWN);
        protect(
            pages.page(2),
            page_size(),
            MprotectFlags::READ | MprotectFlags::GROWSDOWN,
        )
        .unwrap();
        assert_eq!(Vma::at(pages.page(0)).unwrap().perms, "r--p");
    });
    assert!(status.success());
}

#[test]
fn a_hole_stops_the_call_half_way() {
    let status = in_child!({
        let pages = Pages::new(3);
        punch(&pages, 1, 1);
        assert_eq!(
            protect(pages.addr(), pages.len(), MprotectFlags::READ),
            Err(Errno::NOMEM)
        );
        assert_eq!(Vma::at(pages.page(0)).unwrap().perms, "r--p");
        assert_eq!(Vma::at(pages.page(2)).unwrap().perms, "rw-p");
    });
    assert!(status.success());
}

#[test]
fn a_shared_map_of_a_read_only_file_stays_read_only() {
    let exe = File::open("/proc/self/exe").unwrap();
    // SAFETY: no address is asked for, so nothing is replaced.
    let map = unsafe {
        mmap(
            ptr::null_mut(),
            page_size(),
            ProtFlags::READ,
            MapFlags::SHARED,
            &exe,
            0,
        )
    };
    let pages = Pages::from_raw(map.unwrap().as_ptr(), page_size());
    let error = protect(
        pages.addr(),
        page_size(),
        MprotectFlags::READ | MprotectFlags::WRITE,
    );
    assert_eq!(error, Err(Errno::ACCESS));
}

#[test]
fn the_number_of_maps_is_limited() {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    let limit = limit.trim().parse::<usize>().unwrap();
    if limit > 100_000 {
        skip!("vm.max_map_count is {limit}, which takes too long to reach");
    }
    let status = in_child!({
        let pages = Pages::with(2 * limit, RW, MapFlags::PRIVATE | MapFlags::NORESERVE);
        let middle = |index: usize| pages.page(2 * index + 1);
        let full = (0..limit - 1).find_map(|index| {
            let error = protect(middle(index), page_size(), MprotectFlags::READ).err()?;
            Some((index, error))
        });
        // Every page with an odd number that was changed made two maps more.
        let (index, error) = full.expect("the limit was reached");
        assert_eq!(error, Errno::NOMEM);
        assert!(index > limit / 2 - 1000, "{index} of {limit}");
        let free = middle(index + 10);
        // SAFETY: the page belongs to the test, and nothing borrows from it.
        assert_eq!(unsafe { munmap(free, page_size()) }, Err(Errno::NOMEM));
        // SAFETY: as above.
        assert_eq!(unsafe { mlock(free, page_size()) }, Err(Errno::NOMEM));
        // SAFETY: as above.
        let answer = unsafe { madvise(free, page_size(), Advice::RANDOM) };
        let expected = if older_than(5, 17) {
            Errno::NOMEM
        } else {
            Errno::AGAIN
        };
        assert_eq!(answer, Err(expected));
        // What needs no further map still works.
        // SAFETY: as above.
        let answer = unsafe { madvise(free, page_size(), Advice::DONTNEED) };
        assert_eq!(answer, Ok(()));
    });
    assert!(status.success());
}
