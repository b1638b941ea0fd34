//! Pages that the kernel merges (KSM), moved over others while signals come: nothing is unmapped that is not replaced.
//!
//! The kernel takes merged pages apart after it has unmapped the target of `mremap`, and a signal ends that.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::thread;

use mmarinus::perms;
use mmarinus::process::MlockAllFlags;
use mmarinus::{Advice, Errno, Map, Private, ProtFlags, Reservation, Source, process};

use crate::common::{Vma, anonymous, page};
use crate::raw::between_signals;
use crate::testing::{needs, skip, sound, times};

/// So many bytes that many signals come while the kernel walks them.
const LEN: usize = 16 << 20;

#[test]
fn a_move_of_merged_pages_is_whole() {
    needs!(ksm);
    sound!({
        let signals = between_signals(|| {
            let mut map = anonymous(LEN);
            map[0] = 7;
            map.advise(.., Advice::MERGEABLE).expect("KSM");
            assert!(Vma::of(&map).has("mg"));
            for _ in 0..times(20) {
                let free = Reservation::new(LEN).unwrap();
                let address = free.addr();
                drop(free);
                map = map.move_to(address).expect("the target is free");
                assert_eq!((map.addr(), map[0]), (address, 7));
            }
            assert!(Vma::of(&map).has("mg"), "it is still to be merged");
            map.advise(.., Advice::UNMERGEABLE).expect("KSM");
            let free = Reservation::new(LEN).unwrap();
            let address = free.addr();
            drop(free);
            map = map.move_to(address).unwrap();
            assert!(!Vma::of(&map).has("mg"), "it was not to be merged");
        });
        assert!(signals > 0);
    });
}

#[test]
fn what_is_placed_while_everything_is_merged_leaves_no_hole() {
    needs!(ksm);
    sound!({
        if let Err(errno) = process::set_memory_merge(true) {
            skip!("PR_SET_MEMORY_MERGE: {errno}");
        }
        let signals = between_signals(|| {
            // New memory becomes part of a mapping in which pages were touched, beside it.
            let mut beside = anonymous(LEN);
            beside.fill(1);
            let reservation = Reservation::new(LEN).unwrap();
            let both = ProtFlags::READ | ProtFlags::WRITE;
            for round in 0..times(20) {
                reservation
                    .place(.., &Source::anonymous(), 0, Private, both)
                    .expect("a signal is no error");
                reservation.view(..).unwrap().write_at(round, b"x").unwrap();
                assert!(Vma::at(reservation.addr()).unwrap().has("mg"));
                let map = anonymous(LEN).remap().anonymously().with(perms::Read);
                assert_eq!(map.expect("a signal is no error")[LEN - 1], 0);
            }
            assert!(beside.iter().all(|&byte| byte == 1));
        });
        assert!(signals > 0);
    });
}

#[test]
fn a_move_that_fails_half_way_leaves_no_hole_behind() {
    needs!(ksm, root);
    sound!({
        if let Err(errno) = process::set_memory_merge(true) {
            skip!("PR_SET_MEMORY_MERGE: {errno}");
        }
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let signals = between_signals(move || {
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                // Behind the back of `process`, which would wait for the moves.
                scope.spawn(|| {
                    while !done.load(Relaxed) {
                        for merge in [false, true] {
                            mmarinus_sys::set_memory_merge(merge).expect("it was possible before");
                        }
                    }
                });
                // What is mapped where a hole was would be seen to change.
                let other = scope.spawn(|| {
                    while !done.load(Relaxed) {
                        let mut map = anonymous(LEN);
                        map[..page()].fill(3);
                        thread::yield_now();
                        assert!(map[..page()].iter().all(|&byte| byte == 3));
                    }
                });
                let reservation = Reservation::new(LEN).unwrap();
                // New pages are there at once, and so there is something to take apart.
                process::mlockall(MlockAllFlags::FUTURE).expect("root may lock");
                let both = ProtFlags::READ | ProtFlags::WRITE;
                let mut half_way = 0;
                for _ in 0..times(3000) {
                    let placed = reservation.place(.., &Source::anonymous(), 0, Private, both);
                    let Err(error) = placed else {
                        reservation.view(..).unwrap().write_at(0, b"there").unwrap();
                        continue;
                    };
                    // What was there is gone, and the range is reserved again.
                    assert_eq!((error.operation(), error.errno()), ("mremap", Errno::INTR));
                    assert!(error.hint().contains("reserved again"), "{error}");
                    let there = Vma::at(reservation.addr()).expect("it is reserved");
                    assert_eq!(there.perms, "---p");
                    let fault = reservation.view(..).unwrap().read_at(0, &mut [0]);
                    assert_eq!(fault.unwrap_err().errno(), Errno::FAULT);
                    half_way += 1;
                    if half_way == 5 {
                        break;
                    }
                }
                process::munlockall().unwrap();
                done.store(true, Relaxed);
                other.join().expect("nobody touched its maps");
                count.store(half_way, Relaxed);
            });
        });
        assert!(signals > 0);
        if seen.load(Relaxed) == 0 {
            skip!("no signal came between the two steps of a move");
        }
    });
}

#[test]
fn the_middle_of_merged_neighbours_moves_alone() {
    needs!(ksm);
    sound!({
        let map = anonymous(4 * page());
        map.advise(.., Advice::MERGEABLE).expect("KSM");
        // Neighbours that are merged as well make one mapping with it, which a move cuts.
        let whole: Map<perms::ReadWrite> = anonymous(64 * page());
        whole.advise(.., Advice::MERGEABLE).expect("KSM");
        let (first, rest) = whole.split(16 * page()).unwrap();
        let (middle, last) = rest.split(16 * page()).unwrap();
        let free = Reservation::new(16 * page()).unwrap();
        let address = free.addr();
        drop(free);
        let moved = middle.move_to(address).expect("room");
        assert_eq!((moved.addr(), moved[0]), (address, 0));
        assert!(Vma::of(&moved).has("mg") && Vma::of(&first).has("mg") && Vma::of(&last).has("mg"));
        assert!(Vma::of(&map).has("mg"));
    });
}
