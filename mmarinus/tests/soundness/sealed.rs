//! Sealed memory is slices: whatever its other holders try, no byte of it changes; and what is sealed less is no slice.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::thread;

use mmarinus::{Advice, Errno, Map, Shared, perms};
use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals};

use crate::common::{anonymous, disk_file, memory_file, older_than, page, patterned};
use crate::testing::sound::Leak;
use crate::testing::{needs, skip, sound, times};

const ALL: SealFlags = SealFlags::WRITE
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW);

/// A memory file with the pattern in it and these seals.
fn sealed(len: usize, seals: SealFlags) -> File {
    let file = memory_file(len);
    fcntl_add_seals(&file, seals).expect("seals");
    file
}

/// All that the other holder of a file can do to it in safe code.
fn attack(file: &File, len: usize) {
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let zero = FallocateFlags::ZERO_RANGE;
    // Each may fail; what it must not do is asserted on the maps.
    let _ = file.write_all_at(&vec![0xff; len], 0);
    let _ = fallocate(file, punch, 0, len as u64);
    let _ = fallocate(file, zero, 0, len as u64);
    let _ = fallocate(file, FallocateFlags::COLLAPSE_RANGE, 0, page() as u64);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    if let Ok(again) = File::options().write(true).truncate(true).open(path) {
        let _ = again.write_all_at(b"other", 0);
    }
    for len in [0, 1, len / 2, len + page()] {
        let _ = file.set_len(len as u64);
    }
    let shared = Map::bytes(len).from(file, 0).with_kind(Shared);
    if let Ok(mut map) = shared.with(perms::ReadWrite) {
        let _ = map.write_at(0, b"other");
        let _ = map.punch_hole(..);
    }
}

#[test]
fn nobody_changes_a_sealed_file() {
    sound!({
        let len = 4 * page();
        let file = sealed(len, ALL);
        let private = Map::bytes(len)
            .from_sealed(&file, 0)
            .with(perms::Read)
            .unwrap();
        let mut own = Map::bytes(len)
            .from_sealed(&file, 0)
            .with(perms::ReadWrite)
            .unwrap();
        own.fill(5);
        // Before Linux 6.7 a shared map of such a file is refused.
        let shared = Map::bytes(len)
            .from_sealed(&file, 0)
            .with_kind(Shared)
            .with(perms::Read);
        assert!(shared.is_ok() || older_than(6, 7));
        let text = patterned(0, len);
        thread::scope(|scope| {
            scope.spawn(|| attack(&file, len));
            for _ in 0..times(100) {
                assert_eq!(private[..], text);
            }
        });
        let _ = private.advise(.., Advice::PAGEOUT);
        assert_eq!(private[..], text);
        assert!(own.iter().all(|&byte| byte == 5));
        if let Ok(shared) = shared {
            assert_eq!(shared[..], text);
            let error = shared.reprotect(perms::ReadWrite).unwrap_err();
            assert_eq!(error.into_map().unwrap()[..], text);
        }
        own.revert(..).unwrap();
        assert_eq!(own[..], text);
    });
}

#[test]
fn what_is_sealed_less_is_no_slice() {
    sound!({
        let len = 2 * page();
        let refuses = |file: &File| {
            let map = Map::bytes(len).from_sealed(file, 0).with(perms::Read);
            assert!(map.is_err());
            let map = Map::bytes(len)
                .from_sealed(file, 0)
                .with_kind(Shared)
                .with(perms::Read);
            assert!(map.is_err());
        };
        for missing in [SealFlags::WRITE, SealFlags::SHRINK, SealFlags::GROW] {
            refuses(&sealed(len, ALL.difference(missing)));
            // Maps of before go on writing under this one.
            let future = ALL.difference(missing) | SealFlags::FUTURE_WRITE;
            refuses(&sealed(len, future));
        }
        refuses(&memory_file(len));
        refuses(&disk_file(len));
        refuses(&File::open("/proc/self/maps").unwrap());
        refuses(&File::open("/dev/zero").unwrap());
        // A seal that others can still add or a size that is too small is no better.
        let short = sealed(page(), ALL);
        refuses(&short);
        let error = Map::bytes(1)
            .from_sealed(&short, u64::MAX)
            .with(perms::Read)
            .unwrap_err();
        assert!([Errno::INVAL, Errno::OVERFLOW].contains(&error.errno()));
    });
}

#[test]
fn what_keeps_its_size_changes_and_never_faults() {
    let mode = std::fs::read_to_string("/proc/sys/vm/overcommit_memory");
    if mode.is_ok_and(|mode| mode.trim() == "2") {
        skip!("memory may not be overcommitted");
    }
    sound!({
        let len = 16 * page();
        let file = sealed(len, SealFlags::SHRINK);
        let map = Map::bytes(len)
            .from_size_sealed(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        let own = Map::bytes(len)
            .from_size_sealed(&file, 0)
            .with(perms::Read)
            .unwrap();
        let done = AtomicBool::new(false);
        let mut sum = 0_u64;
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    attack(&file, len);
                }
            });
            for _ in 0..times(200) {
                for word in map.atomics::<AtomicU64>(..).unwrap() {
                    word.fetch_add(1, Relaxed);
                }
                for word in own.observe::<AtomicU64>(..).unwrap() {
                    sum = sum.wrapping_add(word.load());
                }
            }
            done.store(true, Relaxed);
        });
        assert!(file.metadata().unwrap().len() >= len as u64, "{sum}");
    });
}

#[test]
fn what_is_sealed_for_ever_stays_for_ever() {
    needs!(mseal);
    sound!(Leak::mapped(2 * page()), {
        let mut map = anonymous(2 * page());
        map.fill(7);
        let addr = map.addr();
        let bytes: &'static [u8] = {
            let map = map.reprotect(perms::Read).unwrap().mseal().unwrap();
            map.as_static()
        };
        // The owner is gone, and nobody can have the place.
        Map::bytes(page())
            .at(addr)
            .anonymously()
            .with(perms::ReadWrite)
            .unwrap_err();
        anonymous(page()).move_to(addr).unwrap_err();
        let reader = thread::spawn(move || bytes.iter().all(|&byte| byte == 7));
        assert!(reader.join().unwrap());
    });
}
