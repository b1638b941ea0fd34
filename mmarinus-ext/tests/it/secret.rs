//! Secrets: what reaches them, what does not, and what is left of them.

use core::panic::AssertUnwindSafe;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::catch_unwind;
use std::thread;

use mmarinus::{Errno, Map, perms};
use mmarinus_ext::secret::{Error, Secret};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::common::page;
use crate::testing::{in_child, needs, sound};

/// Secrets of both kinds; the first may be of the second.
fn both(len: usize) -> [Secret; 2] {
    [Secret::new, Secret::locked].map(|make| make(len).unwrap_or_else(|error| panic!("{error}")))
}

/// The address of the bytes.
fn address(secret: &mut Secret) -> usize {
    secret.read().unwrap().as_ptr().addr()
}

/// What the kernel says of the mapping at an address: its permissions, and its flags.
fn vma(address: usize) -> (String, String) {
    let smaps = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
    let start = format!("{address:x}-");
    let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&start));
    let perms = lines.next().expect("a mapping").split(' ').nth(1).unwrap();
    let flags = lines
        .find_map(|line| line.strip_prefix("VmFlags:"))
        .expect("flags");
    (perms.to_owned(), format!("{flags} "))
}

#[test]
fn it_is_open_as_long_as_a_guard_lives() {
    sound!({
        for mut secret in both(100) {
            assert_eq!((secret.len(), secret.is_empty()), (100, false));
            let address = address(&mut secret);
            assert!(vma(address).0.starts_with("---"));
            let mut bytes = secret.write().unwrap();
            assert!(vma(address).0.starts_with("rw-"));
            assert_eq!(bytes[..], [0; 100]);
            bytes.fill(7);
            drop(bytes);
            assert!(vma(address).0.starts_with("---"));
            let bytes = secret.read().unwrap();
            assert!(vma(address).0.starts_with("r--"));
            assert_eq!(bytes[..], [7; 100]);
            bytes.close().unwrap();
            assert!(vma(address).0.starts_with("---"));
            secret.write().unwrap().close().unwrap();
            assert!(vma(address).0.starts_with("---"));
        }
    });
}

#[test]
fn a_panic_closes_it() {
    sound!({
        for mut secret in both(10) {
            let address = address(&mut secret);
            let result = catch_unwind(AssertUnwindSafe(|| {
                let mut bytes = secret.write().unwrap();
                bytes[0] = 1;
                let _ = bytes[10];
            }));
            assert!(result.is_err());
            assert!(vma(address).0.starts_with("---"));
            assert_eq!(secret.read().unwrap()[0], 1);
        }
    });
}

#[test]
fn a_guard_that_is_forgotten_is_made_up_for() {
    sound!({
        for mut secret in both(10) {
            let address = address(&mut secret);
            let mut bytes = secret.write().unwrap();
            bytes.fill(3);
            core::mem::forget(bytes);
            assert!(vma(address).0.starts_with("rw-"));
            let bytes = secret.read().unwrap();
            assert!(vma(address).0.starts_with("r--"));
            assert_eq!(bytes[..], [3; 10]);
            core::mem::forget(bytes);
            drop(secret);
        }
    });
}

#[test]
fn nobody_else_has_it() {
    sound!({
        for mut secret in both(page() + 1) {
            secret.write().unwrap().fill(7);
            let is_hidden = secret.is_hidden();
            let bytes = secret.read().unwrap();
            let (_, flags) = vma(bytes.as_ptr().addr());
            // Not in children, not in core dumps, not in swap: what is hidden never is, though some kernels do not call it
            // locked.
            for flag in [" dc ", " dd ", " lo "] {
                let is_there = flags.contains(flag) || is_hidden && flag == " lo ";
                assert!(is_there, "{flag} is missing: {flags}");
            }
            let memory = File::open("/proc/self/mem").unwrap();
            let read = memory.read_at(&mut [0], bytes.as_ptr().addr() as u64);
            assert_eq!(read.is_err(), is_hidden);
            drop(bytes);
        }
    });
}

#[test]
fn memory_that_the_kernel_does_not_see_is_preferred() {
    needs!(memfd_secret);
    assert!(Secret::new(1).unwrap().is_hidden());
}

#[test]
fn the_pages_around_it_are_guards() {
    sound!({
        for mut secret in both(page()) {
            let address = address(&mut secret);
            for neighbour in [address - page(), address + page()] {
                let error = Map::bytes(1)
                    .at(neighbour)
                    .anonymously()
                    .with(perms::Read)
                    .unwrap_err();
                assert_eq!(error.errno(), Errno::EXIST);
            }
        }
    });
}

#[test]
fn what_it_is_made_of_is_wiped() {
    sound!({
        let mut typed = *b"correct horse battery staple";
        let mut secret = Secret::take(&mut typed).unwrap();
        assert_eq!(typed, [0; 28]);
        assert_eq!(&secret.read().unwrap()[..13], b"correct horse");
        drop(secret);
        let mut nothing = [];
        let mut secret = Secret::take(&mut nothing).unwrap();
        assert!(secret.is_empty() && secret.read().unwrap().is_empty());
        assert!(secret.write().unwrap().is_empty());
    });
}

#[test]
fn it_is_never_printed() {
    for mut secret in both(5) {
        secret.write().unwrap().copy_from_slice(b"Qwert");
        let mut said = format!("{secret:?}{secret:#?}");
        said += &format!("{:?}", secret.read().unwrap());
        said += &format!("{:?}", secret.write().unwrap());
        assert!(!said.contains("Qwert") && !said.contains("81"), "{said}");
        assert!(said.contains("len: 5"), "{said}");
    }
}

#[test]
fn lengths_that_nobody_has_are_refused() {
    for len in [usize::MAX, isize::MAX as usize, 1 << 62] {
        for make in [Secret::new, Secret::locked] {
            let error = make(len).unwrap_err();
            assert!(matches!(error, Error::Map(_)), "{error}");
        }
    }
}

#[test]
fn it_goes_to_another_thread() {
    for mut secret in both(5) {
        secret.write().unwrap().fill(1);
        let mut secret = thread::spawn(move || {
            secret.write().unwrap()[0] = 2;
            secret
        })
        .join()
        .unwrap();
        assert_eq!(secret.read().unwrap()[..], [2, 1, 1, 1, 1]);
    }
}

/// Runs a closure in a thread that has no privileges.
fn without_privileges(run: impl FnOnce() + Send + 'static) {
    let none = CapabilitySet::empty();
    let none = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    let thread = thread::spawn(move || {
        set_capabilities(None, none).expect("anybody may give up what they have");
        run();
    });
    thread.join().expect("the thread ends well");
}

#[test]
fn locked_memory_that_is_not_allowed_is_an_error_and_wipes_nothing() {
    let status = in_child!({
        let before = getrlimit(Resource::Memlock);
        let none = Rlimit {
            current: Some(0),
            maximum: before.maximum,
        };
        setrlimit(Resource::Memlock, none).unwrap();
        without_privileges(|| {
            let mut typed = *b"typed";
            let error = Secret::locked(5).unwrap_err();
            assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}");
            let error = Secret::take(&mut typed).unwrap_err();
            assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}");
            assert_eq!(&typed, b"typed");
        });
    });
    assert!(status.success());
}
