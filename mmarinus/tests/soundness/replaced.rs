//! A replacement that fails after a fixed `mmap` would have unmapped the range: use after unmap, and unmapping what is another's.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::net::{TcpListener, UdpSocket};
use std::thread;

use mmarinus::{Errno, Error, Map, Shared, perms};

use crate::common::{anonymous, disk_file, page, pattern};
use crate::raw::{self, Call};
use crate::testing::sound::Leak;
use crate::testing::{skip, sound, times};

/// The map that a refused replacement must give back, with its bytes.
fn given_back(error: Error<Map<perms::ReadWrite>>) -> Map<perms::ReadWrite> {
    let map = error.into_map().expect("the old map comes back");
    assert!(map.iter().all(|&byte| byte == 7));
    map
}

#[test]
fn sockets_that_fail_late_do_not_unmap() {
    sound!({
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut map = anonymous(2 * page());
        map.fill(7);
        for _ in 0..10 {
            map = given_back(
                map.remap()
                    .from_device(&udp, 0)
                    .with(perms::Read)
                    .unwrap_err(),
            );
            map = given_back(
                map.remap()
                    .from_device(&tcp, 0)
                    .with_kind(Shared)
                    .with(perms::ReadWrite)
                    .unwrap_err(),
            );
            map = given_back(map.remap().from(&udp, 0).with(perms::Read).unwrap_err());
        }
        map[0] = 1;
        assert_eq!(map[..2], [1, 7]);
    });
}

/// Maps, fills, checks and unmaps until told to stop; whoever unmaps or replaces what is not theirs is found out.
fn map_all_the_time(seed: u8, done: &AtomicBool, rounds: &AtomicUsize) {
    let mut kept = Vec::new();
    let mut value = seed;
    while !done.load(Relaxed) {
        let mut map = anonymous((1 + usize::from(value) % 3) * page());
        assert!(map.iter().all(|&byte| byte == 0), "new pages are zeros");
        value = value.wrapping_add(2);
        map.fill(value);
        kept.push((value, map));
        if kept.len() > 16 {
            let (value, map) = kept.remove(usize::from(value) % 16);
            assert!(
                map.iter().all(|&byte| byte == value),
                "somebody else wrote these pages"
            );
        }
        rounds.fetch_add(1, Relaxed);
    }
    for (value, map) in kept {
        assert!(
            map.iter().all(|&byte| byte == value),
            "somebody else wrote these pages"
        );
    }
}

#[test]
fn another_thread_that_maps_keeps_what_is_its_own() {
    sound!({
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let file = disk_file(2 * page());
        let (done, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let others = [2, 3].map(|seed| {
                let (done, rounds) = (&done, &rounds);
                scope.spawn(move || map_all_the_time(seed, done, rounds))
            });
            let ours = times(3000);
            for round in 0..ours {
                let mut map = anonymous(2 * page());
                map.fill(7);
                let addr = map.addr();
                let map = given_back(
                    map.remap()
                        .from_device(&udp, 0)
                        .with(perms::Read)
                        .unwrap_err(),
                );
                let map = given_back(map.remap().from(&file, 1).with(perms::Read).unwrap_err());
                let map = map.remap().from(&file, 0).with(perms::Read).unwrap();
                assert_eq!(map.addr(), addr);
                let mut byte = [0];
                map.read_at(round % (2 * page()), &mut byte).unwrap();
                assert_eq!(byte[0], pattern(round % (2 * page())));
                let mut map = map.remap().anonymously().with(perms::ReadWrite).unwrap();
                assert!(map.iter().all(|&byte| byte == 0));
                map.fill(1);
                let (one, two) = map.split(page()).unwrap();
                drop(one);
                assert!(two.iter().all(|&byte| byte == 1));
            }
            while rounds.load(Relaxed) < ours / 3 {
                thread::yield_now();
            }
            done.store(true, Relaxed);
            for other in others {
                assert!(
                    other.join().is_ok(),
                    "the maps of another thread were touched"
                );
            }
        });
    });
}

#[test]
fn a_range_that_may_be_lost_is_not_touched_again() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    // What may be lost is never unmapped.
    sound!(Leak::mapped(2 * page()), {
        let map = anonymous(2 * page());
        let addr = map.addr();
        raw::forbid(&[Call::Mremap], Errno::AGAIN).unwrap();
        let error = map.remap().anonymously().with(perms::Read).unwrap_err();
        assert!(
            error.into_map().is_none(),
            "nobody may touch or unmap it again"
        );
        // Had it been unmapped by then, this range might be a map of somebody else.
        let error = Map::bytes(1)
            .at(addr)
            .anonymously()
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(
            error.errno(),
            Errno::EXIST,
            "it was not unmapped on the way out"
        );
    });
}
