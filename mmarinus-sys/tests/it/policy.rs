//! Rules for all memory of the process. What cannot be taken back, or touches other tests, runs in a child.

use core::ptr;

use mmarinus_sys::{
    Errno, MapFlags, MdweFlags, MprotectFlags, ProtFlags, Support, ThpDisable, get_mdwe,
    get_memory_merge, get_thp_disable, mmap, mmap_anonymous, mprotect, munmap, page_size, set_mdwe,
    set_memory_merge, set_thp_disable,
};

use crate::common::{Pages, RW, Vma, memfd, older_than};
use crate::testing::{in_child, skip};

#[test]
fn new_executable_memory_is_refused() {
    if !Support::mdwe() {
        skip!("PR_SET_MDWE needs Linux 6.3");
    }
    let status = in_child!({
        assert_eq!(get_mdwe(), Ok(MdweFlags::empty()));
        let pages = Pages::new(1);
        let file = memfd(1);
        set_mdwe(MdweFlags::REFUSE_EXEC_GAIN).expect("the rule");
        assert_eq!(get_mdwe(), Ok(MdweFlags::REFUSE_EXEC_GAIN));

        let execute = MprotectFlags::READ | MprotectFlags::EXEC;
        // SAFETY: the page is the test's own, and nobody borrows from it.
        let gained = unsafe { mprotect(pages.addr(), pages.len(), execute) };
        assert_eq!(gained, Err(Errno::ACCESS));
        // SAFETY: no address is asked for, so nothing is replaced.
        let both = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                page_size(),
                RW | ProtFlags::EXEC,
                MapFlags::PRIVATE,
            )
        };
        assert_eq!(both, Err(Errno::ACCESS));

        // Two maps of one memfd still work.
        let execute = ProtFlags::READ | ProtFlags::EXEC;
        for prot in [RW, execute] {
            // SAFETY: as above.
            let map = unsafe {
                mmap(
                    ptr::null_mut(),
                    page_size(),
                    prot,
                    MapFlags::SHARED,
                    &file,
                    0,
                )
            };
            let map = map.expect("a map");
            // SAFETY: the map is the test's own, and nobody borrows from it.
            unsafe { munmap(map.as_ptr(), page_size()) }.expect("the map is ours");
        }
        assert_eq!(set_mdwe(MdweFlags::empty()), Err(Errno::PERM), "for ever");
    });
    assert!(status.success(), "{status}");
}

#[test]
fn mdwe_refuses() {
    if !Support::mdwe() {
        skip!("PR_SET_MDWE needs Linux 6.3");
    }
    // What is refused changes nothing, so no child is needed.
    assert_eq!(
        set_mdwe(MdweFlags::from_bits_retain(1 << 20)),
        Err(Errno::INVAL),
        "an unknown flag"
    );
    assert_eq!(set_mdwe(MdweFlags::NO_INHERIT), Err(Errno::INVAL), "alone");
}

#[test]
fn children_can_be_free_of_mdwe() {
    if older_than(6, 6) {
        skip!("PR_MDWE_NO_INHERIT needs Linux 6.6");
    }
    let status = in_child!({
        let flags = MdweFlags::REFUSE_EXEC_GAIN | MdweFlags::NO_INHERIT;
        set_mdwe(flags).expect("the rule");
        assert_eq!(get_mdwe(), Ok(flags));
        assert_eq!(
            set_mdwe(MdweFlags::REFUSE_EXEC_GAIN),
            Err(Errno::PERM),
            "other flags"
        );
    });
    assert!(status.success(), "{status}");
}

#[test]
fn transparent_huge_pages_are_kept_away() {
    let status = in_child!({
        assert_eq!(get_thp_disable(), Ok(ThpDisable::empty()));
        set_thp_disable(ThpDisable::DISABLED).expect("none");
        assert_eq!(get_thp_disable(), Ok(ThpDisable::DISABLED));
        set_thp_disable(ThpDisable::empty()).expect("some");
        assert_eq!(get_thp_disable(), Ok(ThpDisable::empty()));

        let but_advised = ThpDisable::DISABLED | ThpDisable::EXCEPT_ADVISED;
        let expected = if older_than(6, 18) {
            Err(Errno::INVAL)
        } else {
            Ok(())
        };
        assert_eq!(set_thp_disable(but_advised), expected);
        if expected.is_ok() {
            assert_eq!(get_thp_disable(), Ok(but_advised));
        }
        assert_eq!(
            set_thp_disable(ThpDisable::EXCEPT_ADVISED),
            Err(Errno::INVAL),
            "alone"
        );
        let unknown = ThpDisable::DISABLED | ThpDisable::from_bits_retain(1 << 20);
        assert_eq!(
            set_thp_disable(unknown),
            Err(Errno::INVAL),
            "an unknown flag"
        );
    });
    assert!(status.success(), "{status}");
}

#[test]
fn equal_pages_are_merged() {
    if !Support::memory_merge() {
        skip!("PR_SET_MEMORY_MERGE needs Linux 6.4 and KSM");
    }
    let status = in_child!({
        let before = Pages::new(1);
        before.set(0, 7);
        assert_eq!(get_memory_merge(), Ok(false));
        // SAFETY: no thread moves pages in this child.
        unsafe { set_memory_merge(true) }.expect("merging");
        assert_eq!(get_memory_merge(), Ok(true));
        let after = Pages::new(1);
        for pages in [&before, &after] {
            assert!(
                Vma::at(pages.addr()).expect("a line").has("mg"),
                "maps old and new may be merged"
            );
        }
        // SAFETY: as above.
        unsafe { set_memory_merge(false) }.expect("no merging");
        assert_eq!(get_memory_merge(), Ok(false));
        assert!(!Vma::at(after.addr()).expect("a line").has("mg"));
        assert_eq!(before.get(0), 7);
    });
    assert!(status.success(), "{status}");
}
