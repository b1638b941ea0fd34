//! What is left of a secret that was dropped: in the memory where it was, and where the kernel refuses to open its pages.

use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::{Errno, Map, perms};
use mmarinus_ext::secret::{Error, Secret};

use crate::common::page;
use crate::raw::{Call, Held, can_forbid, forbid};
use crate::testing::{in_child, skip};

/// How a sandbox or a kernel without memory refuses.
const REFUSALS: [Errno; 2] = [Errno::PERM, Errno::NOMEM];

/// A secret of one page in memory that a pipe can hold, and the pipe.
fn held() -> (Secret, Held) {
    let mut secret = Secret::locked(page()).unwrap();
    let mut bytes = secret.write().unwrap();
    bytes.fill(7);
    let held = Held::new(&bytes);
    drop(bytes);
    (secret, held)
}

/// Whether so much memory at an address is neither mapped nor, though unmapping it was refused, still has a byte that is not 0.
fn is_empty(address: usize) -> bool {
    let mut bytes = vec![1; page()];
    let memory = File::open("/proc/self/mem").unwrap();
    // This reads also what nobody may touch.
    match memory.read_exact_at(&mut bytes, address as u64) {
        Ok(()) => bytes.iter().all(|&byte| byte == 0),
        Err(_) => true,
    }
}

#[test]
fn its_memory_holds_zeros() {
    let status = in_child!({
        // Closed, open to be read, and open to be written as it is dropped.
        for leave in [
            |_: &mut Secret| {},
            |secret: &mut Secret| core::mem::forget(secret.read().unwrap()),
            |secret: &mut Secret| core::mem::forget(secret.write().unwrap()),
        ] {
            let (mut secret, held) = held();
            leave(&mut secret);
            drop(secret);
            assert!(held.bytes().iter().all(|&byte| byte == 0));
        }
        // The memory is what a pipe holds: it would show what is not wiped.
        let mut map = Map::bytes(page()).anonymously().with(perms::ReadWrite);
        map.as_mut().unwrap().fill(7);
        let held = Held::new(map.as_ref().unwrap());
        drop(map);
        assert!(held.bytes().iter().all(|&byte| byte == 7));
    });
    assert!(status.success());
}

#[test]
fn what_is_open_is_wiped_without_leave() {
    if let Err(why) = can_forbid() {
        skip!("{why}");
    }
    for errno in REFUSALS {
        let status = in_child!({
            let (mut secret, held) = held();
            core::mem::forget(secret.write().unwrap());
            forbid(&[Call::Mprotect], errno);
            drop(secret);
            assert!(held.bytes().iter().all(|&byte| byte == 0));
        });
        assert!(status.success());
    }
}

#[test]
fn what_does_not_open_is_there_and_is_given_back() {
    if let Err(why) = can_forbid() {
        skip!("{why}");
    }
    for errno in REFUSALS {
        let status = in_child!({
            let mut secrets = [Secret::new, Secret::locked, Secret::locked].map(|make| {
                let mut secret = make(page()).unwrap();
                secret.write().unwrap().fill(7);
                let address = secret.read().unwrap().as_ptr().addr();
                (secret, address)
            });
            core::mem::forget(secrets[2].0.read().unwrap());
            // Nor is it unmapped.
            forbid(&[Call::Mprotect, Call::Munmap], errno);
            for (mut secret, address) in secrets {
                for _ in 0..2 {
                    let Err(Error::Map(error)) = secret.write() else {
                        panic!("the secret is there, and the kernel refuses to open it");
                    };
                    assert_eq!(error.errno(), errno);
                }
                drop(secret);
                assert!(is_empty(address));
            }
        });
        assert!(status.success());
    }
}

#[test]
fn a_guard_that_does_not_close_leaves_it_open_and_says_so() {
    if let Err(why) = can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        for make in [Secret::new, Secret::locked] {
            let mut secret = make(5).unwrap();
            // In a thread of its own, so that the next secret can be made.
            let thread = std::thread::spawn(move || {
                let mut bytes = secret.write().unwrap();
                forbid(&[Call::Mprotect], Errno::PERM);
                bytes.fill(7);
                let Err(Error::Map(error)) = bytes.close() else {
                    panic!("it was refused");
                };
                assert_eq!(error.errno(), Errno::PERM);
                assert!(secret.read().is_err());
            });
            thread.join().unwrap();
        }
    });
    assert!(status.success());
}
