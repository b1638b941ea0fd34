//! What is left of a secret: after a drop, where it was in memory; where the kernel refuses to open its pages; in a core dump.

use core::hint::black_box;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;

use mmarinus::{Errno, Map, perms};
use mmarinus_ext::secret::{Error, Secret};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::common::{inherited, page};
use crate::raw::{Call, Held, can_forbid, forbid};
use crate::testing::{in_child, needs, skip, start_child};

/// How a sandbox or a kernel without memory refuses.
const REFUSALS: [Errno; 2] = [Errno::PERM, Errno::NOMEM];

/// A secret of one page in memory that a pipe can hold, open to be written for ever; and the pipe.
fn held() -> (Secret, Held) {
    let mut secret = Secret::locked(page()).unwrap();
    let mut bytes = secret.write().unwrap();
    bytes.fill(7);
    let held = Held::new(&bytes);
    core::mem::forget(bytes);
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
    // Before, a page that was closed and that a pipe holds is copied when it is written again.
    needs!(linux = "5.19");
    let status = in_child!({
        // Closed, open to be read, and open to be written as it is dropped.
        for leave in [
            |secret: &mut Secret| drop(secret.read().unwrap()),
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
            let (secret, held) = held();
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

#[test]
fn what_was_dropped_is_nowhere_in_the_process() {
    let status = in_child!({
        // Neither of them stands in the program, nor does the compiler know them.
        let byte =
            |kind: usize, index: usize| (black_box(index) * 101 + kind * 57 + 13) as u8 ^ 0x5a;
        let ordinary: Vec<u8> = (0..64).map(|index| byte(0, index)).collect();
        let secrets = [Secret::new, Secret::locked].map(|make| {
            let mut secret = make(64).unwrap();
            for (index, place) in secret.write().unwrap().iter_mut().enumerate() {
                *place = byte(1, index);
            }
            secret
        });
        drop(secrets);
        black_box(&ordinary);
        assert!(times_in_memory(|index| byte(0, index)) > 0);
        assert_eq!(times_in_memory(|index| byte(1, index)), 0);
        black_box(&ordinary);
    });
    assert!(status.success());
}

/// How often 64 bytes stand in what this process can read of itself, that is writable. The bytes are never together elsewhere.
fn times_in_memory(byte: impl Fn(usize) -> u8) -> usize {
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut count = 0;
    let mut page = vec![0; 1 << 16];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        for place in (start..end).step_by(page.len() - 64) {
            let len = page.len().min((end - place) as usize);
            if memory.read_exact_at(&mut page[..len], place).is_ok() {
                let is_it = |part: &&[u8]| {
                    part.iter()
                        .enumerate()
                        .all(|(at, &there)| there == byte(at))
                };
                count += page[..len].windows(64).filter(is_it).count();
            }
        }
    }
    count
}

#[test]
fn a_core_dump_does_not_have_it() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.trim().is_empty() || pattern.starts_with(['|', '/', '@']) {
        skip!("core dumps do not fall in the folder of the process here");
    }
    let limit = getrlimit(Resource::Core).maximum;
    if limit.is_some_and(|limit| limit < 1 << 26) {
        skip!("core dumps are not allowed here");
    }
    let byte = |kind: usize, index: usize| (black_box(index) * 89 + kind * 71 + 5) as u8 ^ 0xa5;
    let folder = tempfile::tempdir().unwrap();
    let child = start_child!(OwnedFd::from(File::open(folder.path()).unwrap()), {
        rustix::process::fchdir(inherited()).unwrap();
        let mut limits = getrlimit(Resource::Core);
        limits.current = limits.maximum;
        setrlimit(Resource::Core, limits).unwrap();
        let ordinary: Vec<u8> = (0..64).map(|index| byte(0, index)).collect();
        let mut secrets = [Secret::new, Secret::locked].map(|make| make(64).unwrap());
        let [hidden, locked] = &mut secrets;
        for (kind, secret) in [(1, &mut *hidden), (2, &mut *locked)] {
            for (index, place) in secret.write().unwrap().iter_mut().enumerate() {
                *place = byte(kind, index);
            }
        }
        // One that is open when the process crashes, and one that is not.
        let open = hidden.read().unwrap();
        black_box((&open, &ordinary));
        std::process::abort();
    });
    let status = child.wait();
    let Some(dump) = std::fs::read_dir(folder.path()).unwrap().next() else {
        assert!(!status.core_dumped(), "there is one");
        skip!("the kernel has made no core dump: {status}");
    };
    let dump = std::fs::read(dump.unwrap().path()).unwrap();
    let counts = [0, 1, 2].map(|kind| {
        let bytes: Vec<u8> = (0..64).map(|index| byte(kind, index)).collect();
        dump.windows(64).filter(|part| *part == bytes).count()
    });
    assert!(
        counts[0] > 0,
        "what is found nowhere was not looked for: {counts:?}"
    );
    assert_eq!(counts[1..], [0, 0]);
}
