//! Forked children: a child has what its parent shares, and neither what its parent holds nor its secrets.
#![expect(unsafe_code, reason = "safe code has no `fork`")]

use core::ffi::c_int;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use mmarinus::{Map, perms};
use mmarinus_ext::pager::{self, Cause};
use mmarinus_ext::ring::{Consumer, Peer, Producer, Ring};
use mmarinus_ext::secret::{self, Secret};
use mmarinus_ext::shared::{self, Counter, Error, Lock};
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::common::never_overcommits;
use crate::testing::{in_child, needs};

unsafe extern "C" {
    fn fork() -> c_int;
    fn _exit(status: c_int) -> !;
}

/// Nothing here takes longer, also where it is emulated.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a closure in a forked process, waits for it, and says whether it ended well. Only in a child of the tests, whose other
/// thread does nothing but wait.
fn in_fork(run: impl FnOnce() -> bool) -> bool {
    // SAFETY: the only other thread waits for this one, so the allocator's lock is free.
    let pid = unsafe { fork() };
    if pid == 0 {
        let status = c_int::from(!run());
        // SAFETY: it ends the process, with nothing run that the parent runs as well.
        unsafe { _exit(status) };
    }
    let pid = Pid::from_raw(pid).expect("a process was forked");
    let ended = waitpid(Some(pid), WaitOptions::empty()).expect("a child can be waited for");
    ended.is_some_and(|(_, status)| status.exit_status() == Some(0))
}

#[test]
fn a_forked_child_does_not_have_its_parents_lock() {
    let status = in_child!({
        let lock = shared::anonymous::<Lock>().unwrap();
        let held = lock.lock().unwrap();
        let mut copy = Some(held);
        let child_is_kept_out = || {
            // Its copy of the guard gives nothing back.
            drop(copy.take());
            let short = Duration::from_millis(5);
            lock.try_lock().is_err_and(|error| error == Error::TimedOut)
                && lock
                    .lock_within(short)
                    .is_err_and(|error| error == Error::TimedOut)
        };
        assert!(in_fork(child_is_kept_out));
        assert_eq!(lock.try_lock().unwrap_err(), Error::Deadlock);
        drop(copy);
        drop(lock.try_lock().unwrap());
    });
    assert!(status.success());
}

#[test]
fn what_a_forked_child_dies_with_is_told() {
    let status = in_child!({
        let lock = shared::anonymous::<Lock>().unwrap();
        let counter = shared::anonymous::<Counter>().unwrap();
        // Known here, so that the child must not take itself for its parent.
        drop(lock.lock().unwrap());
        for round in 1..=20 {
            assert!(in_fork(|| {
                counter.add(1);
                let locked = lock.lock_within(PATIENCE);
                let is_right = locked.as_ref().is_ok_and(|locked| !locked.is_abandoned());
                core::mem::forget(locked);
                is_right
            }));
            assert_eq!(counter.get(), round);
            let left = lock.lock_within(PATIENCE).unwrap();
            assert!(left.is_abandoned());
            drop(left.or_repair(|| {}));
        }
        // A child of a child.
        assert!(in_fork(|| {
            let held = lock.lock_within(PATIENCE);
            held.is_ok() && in_fork(|| lock.try_lock().is_err_and(|e| e == Error::TimedOut))
        }));
        assert!(!lock.lock_within(PATIENCE).unwrap().is_abandoned());
    });
    assert!(status.success());
}

#[test]
fn a_forked_child_has_the_cells_and_rows_of_its_parent() {
    let status = in_child!({
        let cell = shared::anonymous::<AtomicU64>().unwrap();
        let row = shared::anonymous_slice::<AtomicU64>(2000).unwrap();
        for round in 1..=5 {
            assert!(in_fork(|| {
                let seen = cell.load(Ordering::Acquire) == round - 1;
                row.iter().for_each(|word| {
                    word.fetch_add(round, Ordering::Relaxed);
                });
                cell.store(round, Ordering::Release);
                seen
            }));
            assert_eq!(cell.load(Ordering::Acquire), round);
            let sum = round * (round + 1) / 2;
            assert!(row.iter().all(|word| word.load(Ordering::Relaxed) == sum));
        }
    });
    assert!(status.success());
}

#[test]
fn a_forked_child_does_not_have_a_secret() {
    let status = in_child!({
        let ordinary = vec![7_u8; 32];
        for make in [Secret::new, Secret::locked] {
            let mut secret = make(32).unwrap();
            secret.write().unwrap().fill(7);
            // As open as it ever is.
            let bytes = secret.read().unwrap();
            let has = |bytes: &[u8]| {
                let memory = File::open("/proc/self/mem").unwrap();
                let address = bytes.as_ptr().addr() as u64;
                memory.read_at(&mut [0; 32], address).is_ok()
            };
            let maps = || std::fs::read_to_string("/proc/self/maps").unwrap();
            let line = format!("{:x}-", bytes.as_ptr().addr());
            assert!(maps().contains(&line));
            assert!(in_fork(|| has(&ordinary)
                && !has(&bytes)
                && !maps().contains(&line)));
            assert_eq!(bytes[..], [7; 32]);
        }
    });
    assert!(status.success());
}

#[test]
fn a_forked_child_leaves_the_place_of_a_secret_alone() {
    let status = in_child!({
        for make in [Secret::new, Secret::locked] {
            for is_open in [false, true] {
                let mut secret = make(32).unwrap();
                let mut bytes = secret.write().unwrap();
                bytes.fill(7);
                let address = bytes.as_ptr().addr();
                // Open for ever, or closed.
                match is_open {
                    true => core::mem::forget(bytes),
                    false => bytes.close().unwrap(),
                }
                let mut copy = Some(secret);
                assert!(in_fork(|| {
                    let mut secret = copy.take().unwrap();
                    // Nothing is there, so the child may have other memory there.
                    let own = Map::bytes(32).near(address).anonymously();
                    let mut own = own.with(perms::ReadWrite).unwrap();
                    let is_there = own.addr() == address;
                    own.fill(9);
                    let is_refused = matches!(secret.read(), Err(secret::Error::Forked))
                        && matches!(secret.write(), Err(secret::Error::Forked));
                    drop(secret);
                    is_there && is_refused && own.iter().all(|&byte| byte == 9)
                }));
                assert_eq!(copy.unwrap().read().unwrap()[..], [7; 32]);
            }
        }
        // A guard that lives in both.
        let mut secret = Secret::locked(32).unwrap();
        let mut bytes = Some(secret.write().unwrap());
        assert!(in_fork(|| {
            drop(bytes.take());
            true
        }));
        bytes.unwrap().fill(7);
        assert_eq!(secret.read().unwrap()[..], [7; 32]);
    });
    assert!(status.success());
}

#[test]
fn a_forked_child_does_not_close_the_ring_of_its_parent() {
    let status = in_child!({
        let (near, far) = UnixStream::pair().unwrap();
        let in_file = || {
            let (producer, memfd) = Producer::create(1, Peer::behind(&near)?)?;
            let consumer = Consumer::attach(&memfd, Peer::behind(&far)?)?;
            Ok::<_, Box<dyn core::error::Error>>((producer, consumer))
        };
        let mut rings = vec![Ring::new(1).unwrap().split().unwrap()];
        if !never_overcommits() {
            rings.push(in_file().unwrap());
        }
        for (mut producer, mut consumer) in rings {
            producer.write_all(b"before").unwrap();
            let mut both = Some((producer, consumer));
            assert!(in_fork(|| {
                drop(both.take());
                true
            }));
            (producer, consumer) = both.unwrap();
            consumer.set_timeout(Some(PATIENCE));
            assert!(!producer.is_alone() && !consumer.is_alone());
            producer.write_all(b" and after").unwrap();
            let mut bytes = [0; 16];
            consumer.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"before and after");
        }
    });
    assert!(status.success());
}

#[test]
fn a_forked_child_has_nobody_who_makes_pages() {
    needs!(userfaultfd_user_mode_only);
    let status = in_child!({
        let page = mmarinus_sys::page_size();
        let mut supplied = Some(pager::supplied(4 * page, |_, bytes| bytes.fill(7)).unwrap());
        let make = |_: usize, bytes: &mut [u8]| {
            bytes.fill(8);
            Ok::<(), core::convert::Infallible>(())
        };
        let mut paged = Some(pager::paged(4 * page, make).unwrap());
        let made = |map: &[u8]| [map[0], map[page]];
        assert_eq!(supplied.as_ref().map(|map| map[0]), Some(7));
        paged.as_ref().unwrap().read_at(0, &mut [0]).unwrap();
        assert!(in_fork(|| {
            let had = made(supplied.as_ref().unwrap());
            let read = [0, page].map(|offset| paged.as_ref().unwrap().read_at(offset, &mut [0]));
            let is_refused = read.iter().all(|read| {
                let fault = read.as_ref().err();
                fault.is_some_and(|fault| matches!(fault.cause(), Cause::OtherProcess))
            });
            // It gives nothing of its parent's back, and waits for no thread.
            drop((supplied.take(), paged.take()));
            had == [7, 0] && is_refused
        }));
        assert_eq!(made(supplied.as_ref().unwrap()), [7, 7]);
        let mut bytes = [0; 2];
        paged
            .as_ref()
            .unwrap()
            .read_at(page - 1, &mut bytes)
            .unwrap();
        assert_eq!(bytes, [8, 8]);
    });
    assert!(status.success());
}
