//! The runner itself: each thing that makes a program unsound is found, and called by its name.
#![forbid(unsafe_code)]

use core::mem::forget;
use core::panic::{AssertUnwindSafe, UnwindSafe};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::panic::catch_unwind;
use std::process::ExitStatus;
use std::thread;

use mmarinus::{Map, Shared, perms};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

use crate::common::{anonymous, disk_file, page, shared};
use crate::testing::sound::{Leak, what_is_unsound};
use crate::testing::{Ended, needs, sound};

/// What the runner says of a program that is not sound.
fn said(run: impl FnOnce() + UnwindSafe) -> String {
    let payload = catch_unwind(run).expect_err("this program is not sound");
    *payload.downcast::<String>().expect("a sentence")
}

#[test]
fn a_leaked_descriptor_has_a_name() {
    let name = said(|| sound!({ forget(File::open("/dev/null").unwrap()) }));
    assert!(name.starts_with("unsound: leak: 1 fds: "), "{name}");
    assert!(name.ends_with(" to /dev/null"), "{name}");
}

#[test]
fn a_lost_descriptor_has_a_name() {
    let mut held = Some(File::open("/dev/null").unwrap());
    let name = said(AssertUnwindSafe(|| {
        sound!({ drop(held.take()) });
    }));
    assert!(name.starts_with("unsound: lost: 1 fds: "), "{name}");
}

#[test]
fn a_leaked_map_has_a_name() {
    let name = said(|| sound!({ forget(anonymous(3 * page())) }));
    let start = format!("unsound: leak: 1 VMAs, {} mapped bytes: ", 3 * page());
    assert!(name.starts_with(&start), "{name}");
}

#[test]
fn two_leaked_maps_are_counted() {
    let name = said(|| {
        sound!({
            let (one, two) = shared(9 * page()).split(page()).unwrap();
            forget((one, two.split(page()).unwrap().1));
        });
    });
    let start = format!("unsound: leak: 2 VMAs, {} mapped bytes: ", 8 * page());
    assert!(name.starts_with(&start), "{name}");
}

#[test]
fn leaked_locks_have_a_name() {
    let map = anonymous(2 * page());
    let map = AssertUnwindSafe(&map);
    let name = said(|| sound!({ map.lock(..).unwrap() }));
    assert_eq!(name, format!("unsound: leak: {} locked bytes", 2 * page()));
}

#[test]
fn leaked_huge_pages_have_a_name() {
    needs!(huge_2mb);
    let flags = MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
    let file = memfd_create("huge", flags).expect("a memfd");
    let name = said(|| {
        sound!(huge, {
            fallocate(&file, FallocateFlags::empty(), 0, 2 << 20).unwrap()
        })
    });
    assert!(
        name.starts_with("unsound: leak: huge pages of the machine; "),
        "{name}"
    );
}

#[test]
fn what_changes_a_range_of_others_has_a_name() {
    let map = anonymous(3 * page());
    let mut held = Some(map);
    let name = said(AssertUnwindSafe(|| {
        sound!({ forget(held.take().unwrap().reprotect(perms::Read).unwrap()) });
    }));
    assert!(
        name.starts_with("unsound: changed: 1 ranges of others: ")
            && name.contains(" rw-p ")
            && name.contains(", now r--p "),
        "{name}"
    );
}

#[test]
fn what_unmaps_a_range_of_others_has_a_name() {
    let mut held = Some(anonymous(3 * page()));
    let name = said(AssertUnwindSafe(|| sound!({ drop(held.take()) })));
    assert!(name.ends_with(", now nothing"), "{name}");
}

#[test]
fn a_signal_has_a_name() {
    let name = said(|| sound!({ std::process::abort() }));
    assert_eq!(name, "unsound: signal 6, SIGABRT");
}

#[test]
fn a_panic_has_a_name() {
    let name = said(|| sound!({ panic!("as it should") }));
    assert_eq!(name, "unsound: it panicked");
}

#[test]
fn an_early_end_has_a_name() {
    let name = said(|| sound!({ std::process::exit(7) }));
    assert_eq!(name, "unsound: it ended with code 7");
}

#[test]
fn the_report_of_a_sanitizer_is_the_name() {
    let report = "==1==ERROR: AddressSanitizer: heap-use-after-free";
    let name =
        said(|| sound!({ eprintln!("\n==1==ERROR: AddressSanitizer: heap-use-after-free") }));
    assert_eq!(name, format!("unsound: report of a sanitizer: {report}"));
}

#[test]
fn a_hang_has_a_name() {
    // As it is when a child was killed after its time; nobody waits here until then.
    let name = what_is_unsound(&Ended {
        status: ExitStatus::from_raw(9),
        in_time: false,
        said: Vec::new(),
    });
    assert_eq!(name, ["it hung"]);
}

#[test]
fn what_stays_on_purpose_is_said_and_exact() {
    sound!(Leak::mapped(2 * page()), {
        forget(anonymous(2 * page()));
    });
    let left = Leak {
        fds: 1,
        mapped: page(),
        locked: page(),
    };
    sound!(left, {
        let map = anonymous(page());
        map.lock(..).unwrap();
        forget((map, File::open("/dev/null").unwrap()));
    });
    let name = said(|| sound!(Leak::mapped(2 * page()), { forget(anonymous(page())) }));
    assert!(
        name.contains(&format!("instead of {}", 2 * page())),
        "{name}"
    );
}

#[test]
fn what_programs_of_std_do_is_no_leak() {
    sound!({
        // Large and small allocations, kept in part by the allocator.
        let mut vectors: Vec<Vec<u8>> = (0..200).map(|n| vec![1; n * n * 20]).collect();
        vectors.truncate(100);
        drop(vectors);
        let kept: &'static mut [u8] = Vec::leak(vec![1; 40 << 20]);
        assert_eq!(kept[40 << 10], 1);
        // Threads, some of which nobody waits for.
        let threads: Vec<_> = (0..8)
            .map(|n| thread::spawn(move || vec![0_u8; n << 18].len()))
            .collect();
        drop(threads);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| anonymous(page())[0]);
            }
        });
        // A panic that is caught, files, children.
        assert!(catch_unwind(|| panic!("caught")).is_err());
        let file = disk_file(page());
        let map = Map::bytes(page()).from(&file, 0).with_kind(Shared);
        drop(map.with(perms::ReadWrite).unwrap());
    });
}
