//! Pages that the kernel merges (KSM), moved over others while signals come: nothing is unmapped that is not replaced.
//!
//! The kernel takes merged pages apart after it has unmapped the target of `mremap`, and a signal ends that.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use core::time::Duration;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use mmarinus::perms;
use mmarinus::process::MlockAllFlags;
use mmarinus::{Advice, Errno, Map, Private, ProtFlags, Reservation, Source, process};

use crate::common::{Vma, anonymous, page};
use crate::raw::{between_signals, merge_behind_the_back};
use crate::testing::{in_child, needs, skip, sound, times};

/// Says that it is done, also by a panic.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// So many bytes that many signals come while the kernel walks them.
const LEN: usize = 16 << 20;

/// How a child ends in which nothing happened.
const NOT_SEEN: i32 = 42;

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
    needs!(ksm, root, linux = "6.4");
    // Merging that comes and goes behind our back makes several mappings of the pages, and since Linux 6.17 a move of several
    // stops between two of them. Part of the target is then new and part old, which nobody tells from another thread's: it is
    // given up, and the account of mappings need not come out even.
    let status = in_child!({
        process::set_memory_merge(true).expect("Linux 6.4 has it");
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let signals = between_signals(move || {
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                // Whatever happens, the others come to an end.
                let _done = Done(&done);
                // Behind the back of `process`, which would wait for the moves.
                scope.spawn(|| {
                    while !done.load(Relaxed) {
                        for merge in [false, true] {
                            merge_behind_the_back(merge);
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
                let mut reservation = Reservation::new(LEN).unwrap();
                // New pages are there at once, and so there is something to take apart.
                process::mlockall(MlockAllFlags::FUTURE).expect("root may lock");
                let both = ProtFlags::READ | ProtFlags::WRITE;
                let (mut half_way, start) = (0, Instant::now());
                while half_way < 2 && start.elapsed() < Duration::from_secs(5) {
                    let placed = reservation.place(.., &Source::anonymous(), 0, Private, both);
                    let view = reservation.view(..).unwrap();
                    let Err(error) = placed else {
                        view.write_at(0, b"there").unwrap();
                        continue;
                    };
                    half_way += 1;
                    // Before Linux 6.17 a move of several mappings is refused, also once the target is unmapped.
                    assert_eq!(error.operation(), "mremap");
                    assert!(
                        [Errno::INTR, Errno::FAULT].contains(&error.errno()),
                        "{error}"
                    );
                    // Nothing is there, and nobody is let in.
                    assert_eq!(view.read_at(0, &mut [0]).unwrap_err().errno(), Errno::FAULT);
                    assert_eq!(view.write_at(0, b"x").unwrap_err().errno(), Errno::FAULT);
                    if error.hint().contains("reserved again") {
                        let there = Vma::at(reservation.addr()).expect("it is reserved");
                        assert_eq!(there.perms, "---p");
                    } else {
                        // The other thread was faster, and has it.
                        assert!(error.hint().contains("another thread may own"), "{error}");
                        assert!(reservation.decommit(..).is_err());
                        reservation = Reservation::new(LEN).unwrap();
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
            std::process::exit(NOT_SEEN);
        }
    });
    if status.code() == Some(NOT_SEEN) {
        skip!("no signal came between the two steps of a move");
    }
    assert!(status.success(), "{status}");
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
