//! Mirrors: nothing is left behind, not after a failure either, and what others hold stays as it is.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::os::fd::AsFd;

use mmarinus::{Errno, Mirror};
use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate};

use crate::common::{anonymous, limit, memory_file, open_descriptors, page};
use crate::testing::sound;

#[test]
fn mirrors_come_and_go_without_a_trace() {
    sound!({
        let file = memory_file(4 * page());
        fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
        let descriptors = open_descriptors();
        for _ in 0..50 {
            let mut mirror = Mirror::anonymous(4 * page()).unwrap();
            mirror.slice_mut(page(), 4 * page()).unwrap().fill(7);
            assert_eq!(
                open_descriptors(),
                descriptors,
                "no way to the pages is left"
            );
            let other = Mirror::new(&file.as_fd()).unwrap();
            other.view(0, 1).unwrap().write_at(0, b"x").unwrap();
        }
        let unsealed = memory_file(page());
        assert!(Mirror::new(&unsealed).is_err());
    });
}

#[test]
fn other_threads_keep_what_they_map_meanwhile() {
    sound!({
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let mut own = anonymous(3 * page());
                    own.fill(9);
                    assert!(own.iter().all(|&byte| byte == 9));
                }
            });
            for round in 0..300 {
                let mut mirror = Mirror::anonymous(2 * page()).unwrap();
                mirror
                    .slice_mut(2 * page() - 1, 2)
                    .unwrap()
                    .fill(round as u8);
                assert_eq!(mirror.slice(0, 1).unwrap()[0], round as u8);
            }
            stop.store(true, Relaxed);
        });
    });
}

#[test]
fn without_room_there_is_an_error_and_nothing_is_left() {
    sound!({
        limit(rustix::process::Resource::As, 1 << 30);
        let mut mirrors = Vec::new();
        let error = loop {
            match Mirror::anonymous(8 << 20) {
                Ok(mut mirror) => {
                    mirror
                        .slice_mut((8 << 20) - 1, 2)
                        .unwrap()
                        .fill(mirrors.len() as u8);
                    mirrors.push(mirror);
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.errno(), Errno::NOMEM);
        assert!(mirrors.len() > 10);
        for (index, mirror) in mirrors.iter().enumerate() {
            assert_eq!(mirror.slice(0, 1).unwrap()[0], index as u8);
        }
    });
}

#[test]
fn what_the_others_do_to_the_file_is_no_fault() {
    sound!({
        let file = memory_file(2 * page());
        fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
        let mirror = Mirror::new(&file).unwrap();
        assert!(ftruncate(&file, 0).is_err());
        let hole = FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE);
        fallocate(&file, hole, 0, 2 * page() as u64).unwrap();
        drop(file);
        let mut bytes = vec![1; 2 * page()];
        let view = mirror.view(page(), 2 * page()).unwrap();
        view.read_at(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 0));
        view.write_at(0, &[5; 8]).unwrap();
    });
}
