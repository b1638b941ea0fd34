//! Reservations: at every limit, beside other threads and in forked children nobody's memory is touched, and nothing is left.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::Barrier;

use mmarinus::{Errno, Map, Private, ProtFlags, Reservation, Shared, Source, perms};

use crate::common::{Vma, anonymous, disk_file, limit, mappings, memory_file, page};
use crate::testing::{skip, sound};

const BOTH: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// Fills the process with mappings until the kernel makes no more; a reservation of pages that alternate.
fn crowd() -> Reservation {
    let pages = max_map_count() + 100;
    let crowd = Reservation::new(pages * page()).unwrap();
    for index in (0..pages).step_by(2) {
        let range = index * page()..(index + 1) * page();
        if let Err(error) = crowd.protect(range, ProtFlags::READ) {
            assert_eq!(error.errno(), Errno::NOMEM);
            return crowd;
        }
    }
    panic!("there is room for {pages} mappings");
}

/// How many mappings the process may have.
fn max_map_count() -> usize {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").expect("the limit");
    text.trim().parse().expect("a number")
}

#[test]
fn without_room_for_a_mapping_all_stays_as_it_was() {
    if max_map_count() > 1 << 20 {
        skip!("vm.max_map_count is {}: too many", max_map_count());
    }
    sound!({
        let zeros = Source::anonymous();
        let file = disk_file(page());
        let reservation = Reservation::new(9 * page()).unwrap();
        reservation.place(.., &zeros, 0, Shared, BOTH).unwrap();
        let view = reservation.view(..).unwrap();
        view.write_at(0, &vec![7; 9 * page()]).unwrap();
        let mut pieces = Reservation::new(3 * page()).unwrap();
        let first = pieces.split_to(page()).unwrap();
        let middle = pieces.split_to(page()).unwrap();
        let map = anonymous(3 * page());
        let (one, rest) = map.split(page()).unwrap();
        let (mut two, three) = rest.split(page()).unwrap();
        two.fill(5);
        let crowd = crowd();

        let range = 4 * page()..5 * page();
        let source = Source::of(&file).unwrap();
        for error in [
            reservation
                .place(range.clone(), &source, 0, Shared, ProtFlags::READ)
                .unwrap_err(),
            reservation
                .place(range.clone(), &zeros, 0, Private, BOTH)
                .unwrap_err(),
            reservation.decommit(range.clone()).unwrap_err(),
            reservation
                .protect(range.clone(), ProtFlags::empty())
                .unwrap_err(),
        ] {
            assert_eq!(error.errno(), Errno::NOMEM);
            assert!(error.to_string().contains("vm.max_map_count"), "{error}");
        }
        let mut bytes = vec![0; 9 * page()];
        view.read_at(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 7));
        view.write_at(0, &bytes).unwrap();
        // A middle piece is not filled, not unmapped, and comes back; so does a map that is not given back.
        let error = middle.fill(perms::ReadWrite).unwrap_err();
        let middle = error.into_map().expect("it is as it was");
        let error = two.decommit().unwrap_err();
        let two = error.into_map().expect("it is as it was");
        assert!(two.iter().all(|&byte| byte == 5));
        // Where no new mapping is needed, it goes on.
        reservation.protect(.., ProtFlags::READ).unwrap();

        // With room again, all of it works.
        crowd.decommit(..).unwrap();
        reservation
            .place(range.clone(), &source, 0, Shared, ProtFlags::READ)
            .unwrap();
        reservation.decommit(range).unwrap();
        let mut filled = middle.fill(perms::ReadWrite).unwrap();
        filled.fill(1);
        assert_eq!(two.decommit().unwrap().len(), page());
        drop((first, pieces, one, three));
    });
}

#[test]
fn dropping_what_cannot_be_unmapped_breaks_nobody() {
    if max_map_count() > 1 << 20 {
        skip!("vm.max_map_count is {}: too many", max_map_count());
    }
    // The middle piece stays, since nobody knows of it any more.
    sound!(crate::testing::sound::Leak::mapped(page()), {
        let mut last = Reservation::new(3 * page()).unwrap();
        let first = last.split_to(page()).unwrap();
        let middle = last.split_to(page()).unwrap();
        let crowd = crowd();
        let error = middle.unmap().unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM);
        drop(error.into_map().expect("it is as it was"));
        drop(crowd);
        let first = first.fill(perms::ReadWrite).unwrap();
        let last = last.fill(perms::ReadWrite).unwrap();
        assert!(first.iter().chain(&*last).all(|&byte| byte == 0));
    });
}

#[test]
fn without_addresses_all_stays_as_it_was() {
    sound!({
        let reservation = Reservation::new(256 << 20).unwrap();
        reservation.protect(0..page(), BOTH).unwrap();
        let view = reservation.view(..).unwrap();
        view.write_at(0, b"hello").unwrap();
        limit(rustix::process::Resource::As, 384 << 20);
        assert_eq!(Reservation::new(1 << 30).unwrap_err().errno(), Errno::NOMEM);
        // What is placed is mapped elsewhere first, which needs room.
        let error = reservation
            .place(.., &Source::anonymous(), 0, Private, BOTH)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM);
        let mut bytes = [0; 5];
        view.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
        let error = reservation.fill(perms::ReadWrite).unwrap_err();
        let reservation = error.into_map().expect("it is as it was");
        reservation
            .view(..)
            .unwrap()
            .read_at(0, &mut bytes)
            .unwrap();
        assert_eq!(&bytes, b"hello");
        reservation.decommit(..).unwrap();
    });
}

#[test]
fn what_a_driver_lets_go_of_is_never_touched_once_another_thread_has_it() {
    sound!({
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let source = Source::device(&socket).unwrap();
        let (stop, stolen) = (AtomicBool::new(false), AtomicUsize::new(0));
        for _ in 0..20 {
            let reservation = Reservation::new(4 * page()).unwrap();
            let target = reservation.addr() + page();
            stop.store(false, Relaxed);
            // A thread that starts maps an alternate stack, which would fit into the hole where pages are large.
            let started = Barrier::new(2);
            std::thread::scope(|scope| {
                // Waits for the hole that the kernel leaves when the socket refuses.
                let thief = scope.spawn(|| {
                    started.wait();
                    let mut loot = None;
                    while !stop.load(Relaxed) && loot.is_none() {
                        let mut map = Map::bytes(page())
                            .near(target)
                            .anonymously()
                            .with(perms::ReadWrite)
                            .unwrap();
                        map.fill(9);
                        if map.addr() == target {
                            loot = Some(map);
                        }
                    }
                    loot
                });
                started.wait();
                let range = page()..3 * page();
                let mut lost = false;
                for _ in 0..200 {
                    let error = reservation
                        .place_in_place(range.clone(), &source, 0, Shared, BOTH)
                        .unwrap_err();
                    let view = reservation.view(range.clone()).unwrap();
                    let written = view.write_at(0, &[1; 8]).is_ok();
                    assert!(!written, "a device was placed");
                    lost = error.to_string().contains("never touched again");
                    if lost {
                        break;
                    }
                    reservation.protect(range.clone(), BOTH).unwrap();
                    reservation.decommit(range.clone()).unwrap();
                }
                stop.store(true, Relaxed);
                let loot = thief.join().unwrap();
                assert_eq!(loot.is_some(), lost);
                if lost {
                    stolen.fetch_add(1, Relaxed);
                    let zeros = Source::anonymous();
                    for error in [
                        reservation
                            .place(range.clone(), &zeros, 0, Private, BOTH)
                            .unwrap_err(),
                        reservation.protect(.., BOTH).unwrap_err(),
                        reservation.decommit(2 * page()..3 * page()).unwrap_err(),
                        reservation.guard(range.clone()).unwrap_err(),
                    ] {
                        assert_eq!(error.errno(), Errno::FAULT, "{error}");
                    }
                    let fault = reservation
                        .view(range)
                        .unwrap()
                        .read_at(0, &mut [0; 8])
                        .unwrap_err();
                    assert_eq!(fault.errno(), Errno::FAULT);
                    assert!(fault.to_string().contains("never touched again"), "{fault}");
                    // The rest works, and so do the pieces.
                    reservation.protect(0..page(), BOTH).unwrap();
                    reservation
                        .place(3 * page().., &zeros, 0, Private, BOTH)
                        .unwrap();
                }
                let mut rest = reservation;
                let head = rest.split_to(2 * page()).unwrap();
                assert_eq!(rest.decommit(..page()).is_err(), lost);
                let whole = head.join(rest).unwrap();
                assert!(whole.decommit(..page()).is_ok());
                if lost {
                    let error = whole.fill(perms::ReadWrite).unwrap_err();
                    drop(error.into_map().expect("it is as it was"));
                } else {
                    whole.unmap().unwrap();
                }
                if let Some(map) = loot {
                    assert!(map.iter().all(|&byte| byte == 9));
                    assert_eq!(map.addr(), target);
                }
            });
        }
        println!(
            "{} ranges were taken by the other thread",
            stolen.load(Relaxed)
        );
    });
}

#[test]
fn threads_on_the_same_pages_find_old_new_or_an_error() {
    sound!({
        let file = memory_file(4 * page());
        let reservation = Reservation::new(4 * page()).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let (reservation, stop) = (&reservation, &stop);
                scope.spawn(move || {
                    let view = reservation.view(..).unwrap();
                    let mut bytes = vec![0; 4 * page()];
                    while !stop.load(Relaxed) {
                        let _ = view.read_at(0, &mut bytes);
                        let _ = view.write_at(thread * page(), &[9; 64]);
                    }
                });
            }
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let mut own = anonymous(4 * page());
                    own.fill(3);
                    assert!(own.iter().all(|&byte| byte == 3), "somebody wrote to it");
                }
            });
            let source = Source::of(&file).unwrap();
            for round in 0..300_usize {
                let range = (round % 4) * page()..4 * page();
                match round % 5 {
                    0 => reservation.place(range, &source, 0, Shared, BOTH).unwrap(),
                    1 => reservation
                        .place(range, &Source::anonymous(), 0, Private, BOTH)
                        .unwrap(),
                    2 => reservation.protect(range, ProtFlags::READ).unwrap(),
                    3 => reservation.guard(range).unwrap(),
                    _ => reservation.decommit(range).unwrap(),
                }
                if round % 50 == 0 {
                    file.set_len(0).unwrap();
                    file.set_len(4 * page() as u64).unwrap();
                }
            }
            stop.store(true, Relaxed);
        });
        assert!(reservation.decommit(..).is_ok());
    });
}

#[test]
fn ten_thousand_things_inside_are_no_slower_and_leave_nothing() {
    sound!({
        let file = memory_file(page());
        let source = Source::of(&file).unwrap();
        let reservation = Reservation::new(1 << 40).unwrap();
        let before = mappings();
        for index in 0..10_000 {
            let start = 2 * index * page();
            reservation
                .place(start..start + page(), &source, 0, Shared, BOTH)
                .unwrap();
        }
        assert!(mappings() >= before + 10_000);
        let mut byte = [0];
        reservation
            .view(19_998 * page()..)
            .unwrap()
            .read_at(0, &mut byte)
            .unwrap();
        reservation.decommit(..).unwrap();
        assert!(mappings() <= before + 2);
    });
}

#[test]
fn neighbours_are_not_touched() {
    sound!({
        let mut all = Reservation::new(3 * page()).unwrap();
        let (first, middle) = (all.split_to(page()).unwrap(), all.split_to(page()).unwrap());
        let mut low = first.fill(perms::ReadWrite).unwrap();
        let mut high = all.fill(perms::ReadWrite).unwrap();
        low.fill(1);
        high.fill(2);
        let file = memory_file(8 * page());
        middle
            .place(.., &Source::of(&file).unwrap(), 0, Shared, BOTH)
            .unwrap();
        middle.guard(..).unwrap();
        middle.decommit(..).unwrap();
        middle.protect(.., BOTH).unwrap();
        let addr = middle.addr();
        drop(middle);
        assert!(Vma::at(addr).is_none());
        assert!(low.iter().all(|&byte| byte == 1) && high.iter().all(|&byte| byte == 2));
        drop(low.decommit().unwrap());
        assert!(high.iter().all(|&byte| byte == 2));
    });
}
