//! Names of anonymous memory.

use core::ptr;

use mmarinus_sys::{Errno, MapFlags, ProtFlags, Support, munmap, page_size, set_vma_anon_name};

use crate::common::{Pages, RW, memfd};
use crate::testing::{in_child, skip};

/// The line of `/proc/self/maps` that starts at an address.
fn line(addr: *mut core::ffi::c_void) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let start = format!("{:x}-", addr.addr());
    maps.lines()
        .find(|line| line.trim_start_matches('0').starts_with(&start))
        .expect("a line")
        .to_owned()
}

#[test]
fn a_name_is_shown_and_taken_away() {
    if !Support::vma_anon_name() {
        let pages = Pages::new(1);
        assert_eq!(
            set_vma_anon_name(pages.addr(), pages.len(), Some(c"test")),
            Err(Errno::INVAL)
        );
        skip!("the kernel is built without ANON_VMA_NAME");
    }
    let pages = Pages::with(3, ProtFlags::empty(), MapFlags::PRIVATE);
    let middle = pages.page(1);
    set_vma_anon_name(middle, page_size(), Some(c"guest ram")).expect("a name");
    assert!(
        line(middle).ends_with("[anon:guest ram]"),
        "{}",
        line(middle)
    );
    set_vma_anon_name(middle, page_size(), None).expect("no name");
    assert!(!line(pages.addr()).contains("guest ram"));
}

#[test]
fn names_are_refused() {
    if !Support::vma_anon_name() {
        skip!("the kernel is built without ANON_VMA_NAME");
    }
    let pages = Pages::new(3);
    let name = |text| set_vma_anon_name(pages.addr(), pages.len(), Some(text));
    for bad in [c"a[b", c"a]b", c"a\\b", c"a$b", c"a`b", c"a\nb", c"\xff"] {
        assert_eq!(name(bad), Err(Errno::INVAL), "{bad:?}");
    }
    let long = std::ffi::CString::new("x".repeat(80)).expect("a name");
    assert_eq!(name(&long), Err(Errno::INVAL));
    let fits = std::ffi::CString::new("x".repeat(79)).expect("a name");
    assert_eq!(name(&fits), Ok(()));
    assert_eq!(
        set_vma_anon_name(pages.byte(1).cast(), page_size(), Some(c"x")),
        Err(Errno::INVAL)
    );
    let file = memfd(1);
    // SAFETY: no address is asked for, so nothing is replaced.
    let addr = unsafe {
        mmarinus_sys::mmap(
            ptr::null_mut(),
            page_size(),
            RW,
            MapFlags::PRIVATE,
            &file,
            0,
        )
    };
    let file = Pages::from_raw(addr.expect("a map").as_ptr(), page_size());
    assert_eq!(
        set_vma_anon_name(file.addr(), file.len(), Some(c"x")),
        Err(Errno::BADF)
    );
}

#[test]
fn a_name_is_refused_for_a_hole() {
    if !Support::vma_anon_name() {
        skip!("the kernel is built without ANON_VMA_NAME");
    }
    // In a child, since other tests would map something there.
    let status = in_child!({
        let pages = Pages::new(3);
        // SAFETY: the page is the test's own, and nobody borrows from it.
        unsafe { munmap(pages.page(1), page_size()) }.expect("a hole");
        let named = set_vma_anon_name(pages.addr(), pages.len(), Some(c"x"));
        assert_eq!(named, Err(Errno::NOMEM));
    });
    assert!(status.success(), "{status}");
}
