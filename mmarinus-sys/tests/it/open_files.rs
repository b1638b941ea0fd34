//! What is said when the process may open no more files.

use std::fs::File;

use mmarinus_sys::{
    Errno, MemfdFlags, MemfdSecretFlags, Support, UserfaultfdFlags, memfd_create, memfd_secret,
    userfaultfd, userfaultfd_ioc_new,
};

use crate::common::no_more_files;
use crate::testing::in_child;

#[test]
fn calls_that_open_a_file_say_so() {
    let status = in_child!({
        let secrets = Support::memfd_secret();
        let faults = Support::userfaultfd_user_mode_only();
        let device = Support::userfaultfd_device();
        let device = device.then(|| File::open("/dev/userfaultfd").expect("the device"));
        let bring_back = no_more_files();
        let memfd = memfd_create(c"one too many", MemfdFlags::CLOEXEC).err();
        let secret = memfd_secret(MemfdSecretFlags::CLOEXEC).err();
        let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::USER_MODE_ONLY;
        let fault = userfaultfd(flags).err();
        let by_device = device.map(|device| {
            // SAFETY: this is the device.
            unsafe { userfaultfd_ioc_new(&device, UserfaultfdFlags::CLOEXEC) }.err()
        });
        bring_back();
        let full = Some(Errno::MFILE);
        assert_eq!(memfd, full);
        // What this machine lacks is said first.
        assert!(secret == full || !secrets, "{secret:?}");
        assert!(fault == full || !faults, "{fault:?}");
        assert!(by_device.is_none_or(|errno| errno == full));
    });
    assert!(status.success(), "{status}");
}

#[test]
fn an_answer_that_cannot_be_had_is_no_and_is_asked_for_again() {
    let status = in_child!({
        let bring_back = no_more_files();
        let before = (
            Support::pagemap_scan(),
            Support::userfaultfd_user_mode_only(),
            Support::userfaultfd_features().is_empty(),
            Support::huge_page_sizes().count(),
            Support::default_huge_page(),
            Support::thp_size(),
            Support::thp(),
            Support::max_map_count(),
        );
        bring_back();
        let full = Err(Errno::MFILE);
        assert_eq!(before, (false, false, true, 0, None, None, None, full));
        // The machine of this test has at least one of them.
        assert!(
            Support::default_huge_page().is_some()
                || Support::pagemap_scan()
                || Support::thp_size().is_some()
                || Support::userfaultfd_user_mode_only(),
            "an error was remembered"
        );
        let sizes = std::fs::read_dir("/sys/kernel/mm/hugepages").map_or(0, Iterator::count);
        assert_eq!(Support::huge_page_sizes().count(), sizes);
        assert!(Support::max_map_count().is_ok());
    });
    assert!(status.success(), "{status}");
}
