//! Maps whose pages a closure makes: what they hold, what fails, and what ends the process.

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::os::unix::process::ExitStatusExt;
use std::panic::catch_unwind;
use std::sync::{Arc, OnceLock, Weak};
use std::thread;

use mmarinus::{Errno, perms};
use mmarinus_ext::pager::{self, Cause, Options, Paged, Supplied};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert, prop_assert_eq};

use crate::common::{mappings, open_descriptors, page};
use crate::testing::{in_child, needs};

/// What lies at an offset.
fn byte(offset: usize) -> u8 {
    (offset.wrapping_mul(31) >> 3) as u8 ^ (offset / 4096) as u8 | 1
}

/// What lies from an offset on.
fn fill(offset: usize, bytes: &mut [u8]) {
    for (nth, one) in bytes.iter_mut().enumerate() {
        *one = byte(offset + nth);
    }
}

/// Whether these are the bytes from an offset on.
fn is_filled(offset: usize, bytes: &[u8]) -> bool {
    let mut bytes = bytes.iter().enumerate();
    bytes.all(|(nth, &one)| one == byte(offset + nth))
}

/// A map of [`fill`] that cannot fail.
fn infallible(len: usize, step: usize) -> Paged<Never> {
    let make = |offset: usize, bytes: &mut [u8]| {
        fill(offset, bytes);
        Ok(())
    };
    let made = Options::new().step(step).paged(len, perms::Read, make);
    made.expect("a userfaultfd")
}

/// An error that is never made.
type Never = core::convert::Infallible;

/// The number of threads. Only meaningful in a child.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn reads_agree_with_the_closure() {
    needs!(userfaultfd_user_mode_only);
    let reads = vec((any::<Index>(), 0..20_000_usize), 1..12);
    let config = Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    };
    let tried = TestRunner::new(config).run(
        &(0..200_000_usize, 0..70_000_usize, reads),
        |(len, step, reads)| {
            let paged = infallible(len, step);
            let options = Options::new().step(step);
            let supplied = options.supplied(len, perms::Read, fill).unwrap();
            prop_assert_eq!((paged.len(), supplied.len()), (len, len));
            for (start, count) in reads {
                let start = start.index(len + 1);
                let end = len.min(start + count);
                let mut bytes = vec![0; end - start];
                paged.read_at(start, &mut bytes).unwrap();
                prop_assert!(is_filled(start, &bytes));
                prop_assert!(is_filled(start, &supplied[start..end]));
                // Past the end.
                let mut more = vec![0; len - start + 1];
                let fault = paged.read_at(start, &mut more).unwrap_err();
                let is_range =
                    matches!(fault.cause(), Cause::Copy(fault) if fault.errno() == Errno::INVAL);
                prop_assert!(is_range);
            }
            Ok(())
        },
    );
    tried.unwrap();
}

#[test]
fn an_error_is_that_of_the_copy_and_nothing_is_remembered() {
    needs!(userfaultfd_user_mode_only);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let make = move |offset: usize, bytes: &mut [u8]| {
        assert!(bytes.iter().all(|&byte| byte == 0));
        fill(offset, bytes);
        // Every call but the third is fine; what the third left behind is seen nowhere.
        match counted.fetch_add(1, Ordering::Relaxed) {
            2 => Err(offset),
            _ => Ok(()),
        }
    };
    let map = pager::paged(6 * page() - 7, make).unwrap();
    let mut bytes = vec![0; map.len() - 5];
    let fault = map.read_at(5, &mut bytes).unwrap_err();
    assert_eq!(
        (fault.copied(), fault.offset()),
        (2 * page() - 5, 2 * page())
    );
    assert!(
        fault.to_string().contains("bytes were copied before"),
        "{fault}"
    );
    assert!(is_filled(5, &bytes[..fault.copied()]));
    assert!(bytes[fault.copied()..].iter().all(|&byte| byte == 0));
    assert!(matches!(fault.into_cause(), Cause::Closure(offset) if offset == 2 * page()));
    map.read_at(5, &mut bytes).unwrap();
    assert!(is_filled(5, &bytes));
    assert_eq!(calls.load(Ordering::Relaxed), 7);
}

#[test]
fn a_panic_is_that_of_the_copy() {
    needs!(userfaultfd_user_mode_only);
    let mut is_first = true;
    let make = move |offset: usize, bytes: &mut [u8]| {
        assert!(!core::mem::take(&mut is_first), "the first call");
        fill(offset, bytes);
        Ok::<(), Never>(())
    };
    let map = pager::paged(3 * page(), make).unwrap();
    let mut bytes = vec![0; 3 * page()];
    let read = catch_unwind(AssertUnwindSafe(|| map.read_at(0, &mut bytes)));
    assert!(read.is_err());
    map.read_at(0, &mut bytes).unwrap();
    assert!(is_filled(0, &bytes));
}

#[test]
fn a_closure_that_copies_its_own_missing_page_gets_an_error() {
    needs!(userfaultfd_user_mode_only);
    let slot: Arc<OnceLock<Weak<Paged<String>>>> = Arc::default();
    let own = Arc::clone(&slot);
    let make = move |offset: usize, bytes: &mut [u8]| {
        if offset == page() {
            let map = own.wait().upgrade().expect("the map");
            // What is there can be had, what is missing cannot.
            map.read_at(0, &mut bytes[..1])
                .map_err(|fault| fault.to_string())?;
            let fault = map.read_at(offset, bytes).unwrap_err();
            assert!(matches!(fault.cause(), Cause::OwnPage));
            return Err(fault.to_string());
        }
        fill(offset, bytes);
        Ok(())
    };
    let map = Arc::new(pager::paged(3 * page(), make).unwrap());
    slot.set(Arc::downgrade(&map)).unwrap();
    let mut bytes = vec![0; 3 * page()];
    let fault = map.read_at(0, &mut bytes).unwrap_err();
    assert_eq!(fault.copied(), page());
    assert!(
        fault.to_string().contains("would wait for itself"),
        "{fault}"
    );
    map.read_at(2 * page(), &mut bytes[..page()]).unwrap();
    assert!(is_filled(2 * page(), &bytes[..page()]));
}

#[test]
fn each_step_is_made_once_whoever_wants_it() {
    needs!(userfaultfd_user_mode_only);
    let (len, step) = (40 * page() - 11, 3 * page());
    let calls = Arc::new([(); 2].map(|()| AtomicUsize::new(0)));
    let count = |nth: usize| {
        let calls = Arc::clone(&calls);
        move |offset: usize, bytes: &mut [u8]| {
            assert_eq!(offset % step, 0);
            assert_eq!(bytes.len(), step.min(len - offset));
            calls[nth].fetch_add(1, Ordering::Relaxed);
            fill(offset, bytes);
        }
    };
    let options = Options::new().step(step - 1);
    let make = count(0);
    let fallible = move |offset: usize, bytes: &mut [u8]| {
        make(offset, bytes);
        Ok::<(), Never>(())
    };
    let paged = options.paged(len, perms::Read, fallible).unwrap();
    let supplied = options.supplied(len, perms::Read, count(1)).unwrap();
    thread::scope(|scope| {
        for nth in 0..6 {
            let (paged, supplied) = (&paged, &supplied);
            scope.spawn(move || {
                for round in 0..40 {
                    let start = ((round * 7 + nth * 13) % 40) * page();
                    let end = len.min(start + page());
                    let mut bytes = vec![0; end - start];
                    paged.read_at(start, &mut bytes).unwrap();
                    assert!(is_filled(start, &bytes));
                    assert!(is_filled(start, &supplied[start..end]));
                }
            });
        }
    });
    let calls = [0, 1].map(|nth| calls[nth].load(Ordering::Relaxed));
    assert_eq!(calls, [len.div_ceil(step); 2]);
}

#[test]
fn what_is_written_stays() {
    needs!(userfaultfd_user_mode_only);
    let make = |offset: usize, bytes: &mut [u8]| {
        fill(offset, bytes);
        Ok::<(), Never>(())
    };
    let len = 5 * page();
    let paged = Options::new().paged(len, perms::ReadWrite, make).unwrap();
    let mut supplied = Options::new()
        .supplied(len, perms::ReadWrite, fill)
        .unwrap();
    let (start, new) = (page() - 3, vec![0; page() + 6]);
    paged.write_at(start, &new).unwrap();
    supplied.as_mut_slice()[start..][..new.len()].copy_from_slice(&new);
    let mut bytes = vec![1; len];
    paged.read_at(0, &mut bytes).unwrap();
    for bytes in [&bytes[..], &supplied[..]] {
        assert!(is_filled(0, &bytes[..start]));
        assert_eq!(bytes[start..][..new.len()], new);
        assert!(is_filled(start + new.len(), &bytes[start + new.len()..]));
    }
    let fault = paged.write_at(len - 1, &[1, 2]).unwrap_err();
    assert!(matches!(fault.cause(), Cause::Copy(fault) if fault.errno() == Errno::INVAL));
}

#[test]
fn lengths_of_any_kind() {
    needs!(userfaultfd_user_mode_only);
    let nothing = infallible(0, 0);
    assert!(nothing.is_empty());
    nothing.read_at(0, &mut []).unwrap();
    for offset in [0, 1, usize::MAX] {
        assert!(nothing.read_at(offset, &mut [0]).is_err());
    }
    let empty = pager::supplied(0, fill).unwrap();
    assert!(empty.as_slice().is_empty());
    drop(empty);
    for len in [usize::MAX, isize::MAX as usize + 1, usize::MAX - page()] {
        assert!(pager::supplied(len, fill).is_err());
        let made = pager::paged(len, |_, _| Ok::<(), Never>(()));
        assert!(made.is_err_and(|error| !error.to_string().is_empty()));
    }
    // Larger than any memory, and made where it is touched.
    let large = pager::supplied(1 << 40, fill).unwrap();
    assert!(is_filled((1 << 39) + 5, &large[(1 << 39) + 5..][..page()]));
}

#[test]
fn a_buffer_in_another_pagers_missing_pages() {
    needs!(userfaultfd_user_mode_only);
    let map = infallible(3 * page(), 0);
    let other = Options::new().supplied(3 * page(), perms::ReadWrite, fill);
    let mut other = other.unwrap();
    let is_user_mode_only = other.is_user_mode_only();
    // A system call waits for the page, or fails without the privilege; it goes on for ever in no case.
    match map.read_at(0, other.as_mut_slice()) {
        Ok(()) => assert!(is_filled(0, &other)),
        Err(fault) => assert!(is_user_mode_only && matches!(fault.cause(), Cause::Copy(_))),
    }
}

#[test]
fn nothing_is_left_of_a_map() {
    needs!(userfaultfd_user_mode_only);
    let status = in_child!({
        let run = || {
            let supplied = pager::supplied(9 * page(), fill).unwrap();
            let paged = infallible(9 * page(), 0);
            assert!(is_filled(0, &supplied[..5 * page()]));
            paged.read_at(0, &mut [0; 9]).unwrap();
        };
        run();
        thread::sleep(Duration::from_millis(50));
        let before = (open_descriptors(), threads());
        let ranges = mappings();
        (0..50).for_each(|_| run());
        // A thread that was waited for is listed for a moment more.
        let is_soon = |_: u32| {
            thread::sleep(Duration::from_millis(10));
            threads() <= before.1
        };
        assert!((0..500).any(is_soon));
        assert_eq!(open_descriptors(), before.0);
        assert!(mappings() <= ranges + 8, "{} and {ranges}", mappings());
    });
    assert!(status.success());
}

#[test]
fn a_panic_where_a_slice_waits_aborts() {
    needs!(userfaultfd_user_mode_only);
    let status = in_child!({
        let make = |offset: usize, _: &mut [u8]| assert_eq!(offset, 1, "it fails");
        let map = pager::supplied(2 * page(), make).unwrap();
        assert_ne!(map[0], map[0], "it is never had");
    });
    assert_eq!(status.signal(), Some(6));
}

#[test]
fn a_closure_that_touches_its_own_missing_page_aborts() {
    needs!(userfaultfd_user_mode_only);
    let status = in_child!({
        let slot: Arc<OnceLock<Weak<Supplied>>> = Arc::default();
        let own = Arc::clone(&slot);
        let make = move |offset: usize, bytes: &mut [u8]| {
            let map = own.wait().upgrade().expect("the map");
            // With the lock of the standard error, with which the end is told.
            let _held = std::io::stderr().lock();
            bytes[0] = map[page() - offset];
        };
        let map = Arc::new(pager::supplied(2 * page(), make).unwrap());
        slot.set(Arc::downgrade(&map)).unwrap();
        assert_ne!(map[0], map[0], "it is never had");
    });
    assert_eq!(status.signal(), Some(6));
}

#[test]
fn pages_that_are_locked_as_they_are_mapped_are_made_too() {
    use mmarinus::process::{MlockAllFlags, mlockall};
    needs!(userfaultfd_user_mode_only);
    let status = in_child!({
        let before = infallible(3 * page(), 0);
        if let Err(error) = mlockall(MlockAllFlags::FUTURE) {
            eprintln!("memory cannot be locked here: {error}");
            return;
        }
        let supplied = pager::supplied(3 * page(), fill).unwrap();
        let paged = infallible(3 * page(), 0);
        assert!(is_filled(0, &supplied));
        for map in [&before, &paged] {
            let mut bytes = vec![0; 3 * page()];
            map.read_at(0, &mut bytes).unwrap();
            assert!(is_filled(0, &bytes));
        }
    });
    assert!(status.success());
}

#[test]
fn without_a_privilege_a_system_call_does_not_wait() {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
    needs!(userfaultfd_user_mode_only);
    let none = CapabilitySet::empty();
    let none = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    let run = move || {
        set_capabilities(None, none).expect("anybody may give up what they have");
        let map = pager::supplied(3 * page(), fill).unwrap();
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        let part = &map[page() + 1..][..9];
        let written = rustix::io::write(&writer, part);
        match map.is_user_mode_only() {
            true => assert_eq!(written, Err(Errno::FAULT)),
            false => assert_eq!(written, Ok(9)),
        }
        assert!(is_filled(page() + 1, part));
        assert_eq!(rustix::io::write(&writer, part), Ok(9));
        let paged = infallible(3 * page(), 0);
        let mut bytes = vec![0; 3 * page()];
        paged.read_at(0, &mut bytes).unwrap();
        assert!(is_filled(0, &bytes));
    };
    thread::spawn(run).join().unwrap();
}

#[test]
fn what_the_kernel_refuses_is_an_error_that_leaves_nothing() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    needs!(userfaultfd_user_mode_only);
    let status = in_child!({
        let before = open_descriptors();
        let limit = Rlimit {
            current: Some(200),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        setrlimit(Resource::Nofile, limit).expect("it is lower than the other limit");
        let open = || std::fs::File::open("/dev/null").ok();
        let mut all: Vec<_> = core::iter::from_fn(open).collect();
        // A map that cannot fail takes two, the other one.
        let mut seen = [0; 2];
        for _ in 0..3 {
            match pager::supplied(3 * page(), fill) {
                Ok(map) => seen[0] += usize::from(is_filled(0, &map)),
                Err(pager::Error::Map(error)) => assert_eq!(error.errno(), Errno::MFILE),
                Err(error) => panic!("{error}"),
            }
            let make = |_: usize, _: &mut [u8]| Ok::<(), Never>(());
            match pager::paged(3 * page(), make) {
                Ok(map) => seen[1] += usize::from(map.read_at(0, &mut [0]).is_ok()),
                Err(pager::Error::Map(error)) => assert_eq!(error.errno(), Errno::MFILE),
                Err(error) => panic!("{error}"),
            }
            all.pop();
        }
        drop(all);
        assert_eq!(seen, [1, 2]);
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success());
}
