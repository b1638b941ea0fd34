//! Faults of copies, caught by the handler: the same errors as without it, exact to the byte, in every thread.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use mmarinus::{Errno, Fault, Map, Private, Shared, perms};

use crate::common::{disk_file, memory_file, page, patterned};
use crate::raw::{Call, can_forbid, forbid};
use crate::signals::{self, can_catch, guard, in_bare_thread, install, perf_event};
use crate::testing::{needs, skip, sound};

/// Lengths around each branch of the copy.
const LENGTHS: [usize; 34] = [
    1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 127, 128, 129, 160, 192,
    256, 257, 300, 511, 513, 1000, 4095, 4096, 4097, 6000,
];

/// How many bytes before the page that is gone a copy of so many bytes begins.
fn distances(len: usize) -> impl Iterator<Item = usize> {
    let near = (0..=34).chain([
        47, 48, 49, 63, 64, 65, 100, 127, 128, 129, 159, 160, 161, 255, 256, 500, 1024, 4095,
    ]);
    near.filter(move |&distance| distance < len && distance <= page())
}

/// Asserts that a copy stopped at the byte that it could not reach.
fn assert_stopped(result: Result<(), Fault>, offset: usize, copied: usize) {
    let fault = result.expect_err("a page is gone");
    assert_eq!(
        (fault.errno(), fault.copied(), fault.offset()),
        (Errno::FAULT, copied, offset + copied)
    );
}

/// `read_at` of some map.
type Read<'map> = &'map dyn Fn(usize, &mut [u8]) -> Result<(), Fault>;

#[test]
fn a_read_stops_at_the_very_byte() {
    sound!({
        install();
        let file = memory_file(4 * page());
        let map = Map::bytes(4 * page())
            .from(&file, 0)
            .with(perms::Read)
            .unwrap();
        file.set_len(2 * page() as u64).unwrap();
        let end = 2 * page();
        let mut buffer = vec![0; 6200];
        for len in LENGTHS {
            for distance in distances(len) {
                for skew in [0, 1, 16] {
                    buffer.fill(0xee);
                    let offset = end - distance;
                    assert_stopped(
                        map.read_at(offset, &mut buffer[skew..skew + len]),
                        offset,
                        distance,
                    );
                    assert_eq!(buffer[skew..skew + distance], patterned(offset, distance));
                    let others = buffer[..skew].iter().chain(&buffer[skew + distance..]);
                    assert!(
                        others.copied().all(|byte| byte == 0xee),
                        "{len} bytes, {distance} before the end: nothing else is touched"
                    );
                }
            }
        }
    });
}

#[test]
fn a_write_stops_at_the_very_byte() {
    sound!({
        install();
        let file = memory_file(4 * page());
        let map = Map::bytes(4 * page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        let view = map.view(..).unwrap();
        file.set_len(2 * page() as u64).unwrap();
        let end = 2 * page();
        let source: Vec<u8> = (0..6200).map(|i| (i * 7 + i / 256) as u8).collect();
        let mut bytes = vec![0; 2 * page()];
        for len in LENGTHS {
            for distance in distances(len) {
                view.write_at(0, &vec![0xee; end]).unwrap();
                let (offset, skew) = (end - distance, len % 3);
                assert_stopped(
                    view.write_at(offset, &source[skew..skew + len]),
                    offset,
                    distance,
                );
                view.read_at(0, &mut bytes).unwrap();
                assert_eq!(bytes[offset..], source[skew..skew + distance]);
                assert!(
                    bytes[..offset].iter().all(|&byte| byte == 0xee),
                    "{len} bytes, {distance} before the end: nothing else is touched"
                );
            }
        }
    });
}

#[test]
fn a_page_that_is_forbidden_in_the_middle() {
    sound!({
        install();
        for kind_is_shared in [false, true] {
            let file = disk_file(5 * page());
            let request = Map::bytes(5 * page()).from(&file, 0);
            let assert_split = |read: Read<'_>, addr: usize| {
                signals::forbid(addr + 2 * page(), page());
                let mut buffer = vec![0xee; 5 * page()];
                assert_stopped(read(0, &mut buffer), 0, 2 * page());
                assert_eq!(buffer[..2 * page()], patterned(0, 2 * page()));
                assert!(buffer[2 * page()..].iter().all(|&byte| byte == 0xee));
                assert_stopped(read(3 * page() - 1, &mut buffer[..2]), 3 * page() - 1, 0);
                assert_stopped(read(2 * page(), &mut buffer[..100]), 2 * page(), 0);
                // What is behind it can be copied, and the neighbour is not touched by wide loads.
                read(3 * page(), &mut buffer[..2 * page()]).unwrap();
                assert_eq!(buffer[..2 * page()], patterned(3 * page(), 2 * page()));
                for len in LENGTHS.into_iter().filter(|&len| len <= page()) {
                    read(2 * page() - len, &mut buffer[..len]).unwrap();
                    assert_eq!(buffer[..len], patterned(2 * page() - len, len));
                    read(3 * page(), &mut buffer[..len]).unwrap();
                    assert_eq!(buffer[..len], patterned(3 * page(), len));
                }
            };
            if kind_is_shared {
                let map = request
                    .with_kind(Shared)
                    .with(perms::Unknown(mmarinus::ProtFlags::READ))
                    .unwrap();
                assert_split(&|offset, buffer| map.read_at(offset, buffer), map.addr());
            } else {
                let map = request.with_kind(Private).with(perms::ReadWrite).unwrap();
                assert_split(&|offset, buffer| map.read_at(offset, buffer), map.addr());
            }
        }
    });
}

#[test]
fn a_guard_in_the_middle() {
    needs!(file_guard_regions);
    sound!({
        install();
        let file = memory_file(4 * page());
        let mut map = Map::bytes(4 * page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        guard(&map, 2 * page());
        let mut buffer = vec![0; 2 * page()];
        assert_stopped(map.read_at(page() + 5, &mut buffer), page() + 5, page() - 5);
        assert_eq!(buffer[..page() - 5], patterned(page() + 5, page() - 5));
        assert_stopped(map.write_at(2 * page() - 3, b"hello"), 2 * page() - 3, 3);
        assert_stopped(map.write_at(3 * page() - 3, b"hello"), 3 * page() - 3, 0);
        map.read_at(2 * page() - 3, &mut buffer[..3]).unwrap();
        assert_eq!(&buffer[..3], b"hel");
        map.read_at(3 * page(), &mut buffer[..page()]).unwrap();
        assert_eq!(buffer[..page()], patterned(3 * page(), page()));
    });
}

#[test]
fn a_page_that_may_not_be_written() {
    sound!({
        install();
        let file = memory_file(2 * page());
        // The type says so, but the pages do not: a copy notices.
        let mut map = Map::bytes(2 * page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        signals::forbid(map.addr() + page(), page());
        for len in LENGTHS
            .into_iter()
            .filter(|&len| (2..=page()).contains(&len))
        {
            let start = page() - len / 2;
            assert_stopped(map.write_at(start, &vec![7; len]), start, len / 2);
        }
    });
}

#[test]
fn no_system_call_is_left() {
    if let Err(why) = can_forbid() {
        skip!("{why}");
    }
    if !can_catch() {
        skip!("copies are not caught on this architecture");
    }
    sound!({
        let file = memory_file(2 * page());
        let mut map = Map::bytes(2 * page())
            .from(&file, 0)
            .with(perms::ReadWrite)
            .unwrap();
        // A map and a thread from before are caught as well.
        let (go, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let view = map.view(..).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !go.load(Relaxed) {
                    thread::yield_now();
                }
                assert_stopped(view.read_at(0, &mut vec![0; 2 * page()]), 0, page());
                done.store(true, Relaxed);
            });
            file.set_len(page() as u64).unwrap();
            install();
            go.store(true, Relaxed);
        });
        assert!(done.load(Relaxed));
        forbid(&[Call::ProcessVmReadv, Call::ProcessVmWritev], Errno::PERM).unwrap();
        let mut buffer = vec![0; 2 * page()];
        assert_stopped(map.read_at(0, &mut buffer), 0, page());
        assert_stopped(map.write_at(1, &buffer[1..]), 1, page() - 1);
    });
}

#[test]
fn to_install_twice_is_to_install_once() {
    sound!({
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(install);
            }
        });
        install();
        let file = memory_file(page());
        let map = Map::bytes(page()).from(&file, 0).with(perms::Read).unwrap();
        file.set_len(0).unwrap();
        for _ in 0..3 {
            assert_stopped(map.read_at(0, &mut [0; 100]), 0, 0);
        }
    });
}

#[test]
fn a_hundred_threads_while_the_file_comes_and_goes() {
    sound!({
        install();
        let file = memory_file(8 * page());
        let done = AtomicBool::new(false);
        let (copies, faults) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let shared = Map::bytes(8 * page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        let private = Map::bytes(8 * page())
            .from(&file, 0)
            .with(perms::ReadWrite)
            .unwrap();
        thread::scope(|scope| {
            for number in 0..100_usize {
                let (shared, private) = (shared.view(..).unwrap(), private.view(..).unwrap());
                let (done, copies, faults) = (&done, &copies, &faults);
                scope.spawn(move || {
                    let mut buffer = vec![0; 8 * page()];
                    let mut len = number * 37 + 1;
                    while !done.load(Relaxed) {
                        let offset = (number * 1001 + len) % (8 * page() - len);
                        for result in [
                            shared.read_at(offset, &mut buffer[..len]),
                            shared.write_at(offset, &buffer[..len]),
                            private.read_at(offset, &mut buffer[..len]),
                            private.write_at(offset, &buffer[..len]),
                        ] {
                            match result {
                                Ok(()) => copies.fetch_add(1, Relaxed),
                                Err(fault) => {
                                    assert_eq!(fault.errno(), Errno::FAULT);
                                    assert!(fault.copied() < len);
                                    faults.fetch_add(1, Relaxed)
                                }
                            };
                        }
                        len = len * 7 % (4 * page()) + 1;
                    }
                });
            }
            for round in 0..300_u64 {
                file.set_len(round * 1013 % (8 * page() as u64)).unwrap();
                file.set_len(8 * page() as u64).unwrap();
                if round % 64 == 0 {
                    thread::yield_now();
                }
            }
            // However busy the machine is, both are seen before it ends.
            file.set_len(page() as u64).unwrap();
            while faults.load(Relaxed) < 300 {
                thread::yield_now();
            }
            file.set_len(8 * page() as u64).unwrap();
            let before = copies.load(Relaxed);
            while copies.load(Relaxed) < before + 300 {
                thread::yield_now();
            }
            done.store(true, Relaxed);
        });
        let (copies, faults) = (copies.into_inner(), faults.into_inner());
        assert!(
            copies > 0 && faults > 0,
            "{copies} copies and {faults} faults"
        );
    });
}

/// A fault of a copy, anywhere.
fn meet_a_fault() {
    let file = memory_file(2 * page());
    let map = Map::bytes(2 * page())
        .from(&file, 0)
        .with(perms::Read)
        .unwrap();
    file.set_len(page() as u64).unwrap();
    for len in LENGTHS
        .into_iter()
        .filter(|&len| (2..=page()).contains(&len))
    {
        let offset = page() - len / 2;
        assert_stopped(map.read_at(offset, &mut vec![0; len]), offset, len / 2);
    }
}

#[test]
fn threads_with_and_without_an_alternate_stack() {
    sound!({
        install();
        meet_a_fault();
        // Those of the standard library have one; these have none, or their own.
        thread::spawn(meet_a_fault).join().unwrap();
        in_bare_thread(meet_a_fault, None);
        in_bare_thread(meet_a_fault, Some(64 << 10));
    });
}

#[test]
fn signals_in_the_middle_of_copies() {
    sound!({
        install();
        crate::raw::between_signals(|| {
            let file = memory_file(64 * page());
            let map = Map::bytes(64 * page())
                .from(&file, 0)
                .with(perms::Read)
                .unwrap();
            file.set_len(33 * page() as u64 + 7).unwrap();
            let mut buffer = vec![0; 64 * page()];
            for _ in 0..40 {
                assert_stopped(map.read_at(0, &mut buffer), 0, 34 * page());
                assert_eq!(buffer[..33 * page()], patterned(0, 33 * page()));
            }
        });
    });
}

#[test]
fn memory_of_a_device_becomes_readable() {
    if !can_catch() {
        skip!("copies are not caught on this architecture");
    }
    let Some(event) = perf_event() else {
        skip!("this process may not count events");
    };
    let Ok(map) = Map::bytes(page())
        .from_device(&event, 0)
        .with_kind(Shared)
        .with(perms::Read)
    else {
        skip!("events have no page to map here");
    };
    let mut buffer = vec![0; page()];
    if map.read_at(0, &mut buffer).is_ok() {
        skip!("the pages of events are ordinary ones in this kernel");
    }
    sound!({
        install();
        let mut buffer = vec![0xee; page()];
        map.read_at(0, &mut buffer).unwrap();
        // `data_offset` in the header: the page after the header, although there is none.
        assert!(buffer.iter().any(|&byte| byte != 0xee));
        for len in LENGTHS.into_iter().filter(|&len| len <= page()) {
            map.read_at(page() - len, &mut buffer[..len]).unwrap();
        }
    });
}
