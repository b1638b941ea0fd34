//! Moving, growing, taking and doubling pages while other threads map: nobody else's pages are touched, nothing is left behind.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::os::unix::fs::FileExt;
use std::thread;

use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Error, Map, Private, ProtFlags, Shared};
use rustix::process::Resource;

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, file_map, is_free, limit, mappings, open_descriptors,
    page, patterned, shared,
};
use crate::raw::{self, Call};
use crate::testing::sound::Leak;
use crate::testing::{features, needs, skip, sound, times};

/// Runs a closure while a second thread maps, moves and unmaps all the time, and checks what its own maps hold.
fn beside_a_mapper(run: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let mapper = scope.spawn(|| {
            let mut rounds = 0_u32;
            let mut kept: Vec<(Map<perms::ReadWrite>, u8)> = Vec::new();
            while !done.load(Relaxed) || rounds < 100 {
                let value = rounds as u8 | 1;
                let mut map = anonymous((rounds as usize % 7 + 1) * page());
                map.fill(value);
                kept.push((map, value));
                if kept.len() > 16 {
                    let (map, value) = kept.swap_remove(rounds as usize % 16);
                    let map = map
                        .resize((rounds as usize % 5 + 1) * page())
                        .expect("room");
                    assert!(map[..page()].iter().all(|&byte| byte == value));
                }
                for (map, value) in &kept {
                    assert!(map.iter().all(|byte| byte == value), "a map was touched");
                    assert_eq!(map.permissions(), ProtFlags::READ | ProtFlags::WRITE);
                }
                rounds += 1;
            }
        });
        run();
        done.store(true, Relaxed);
        mapper.join().expect("the other thread's maps are its own");
    });
}

#[test]
fn another_thread_keeps_its_maps() {
    sound!({
        beside_a_mapper(|| {
            let file = disk_file(8 * page());
            let mut moved = 0;
            for round in 0..times(400) {
                let len = (round % 6 + 1) * page();
                let mut map = anonymous(len);
                map.fill(7);
                let place = Map::bytes(len)
                    .anonymously()
                    .with(perms::None)
                    .unwrap()
                    .addr();
                let map = match map.move_to(place) {
                    Ok(map) => {
                        moved += 1;
                        map
                    }
                    Err(error) => {
                        assert_eq!(error.errno(), Errno::EXIST);
                        error.into_map().unwrap()
                    }
                };
                let map = map.resize(len * 3).unwrap();
                let (one, two) = map.split(len).unwrap();
                let mut one = one.resize(2 * len).unwrap();
                assert!(one[..len].iter().all(|&byte| byte == 7));
                assert!(one[len..].iter().chain(two.iter()).all(|&byte| byte == 0));
                let taken = one.take_pages().unwrap();
                assert!(one.iter().all(|&byte| byte == 0));
                assert!(taken[..len].iter().all(|&byte| byte == 7));
                let map = two.resize(0).unwrap().resize(len).unwrap();
                assert!(map.iter().all(|&byte| byte == 0));
                let map = Map::bytes(page()).from(&file, 0).with_kind(Shared);
                let map = map.with(perms::Read).unwrap();
                let twin = map.duplicate().unwrap().resize(8 * page()).unwrap();
                drop(map);
                assert_eq!(bytes_of(&twin), patterned(0, 8 * page()));
            }
            assert!(moved > times(400) / 4, "{moved} moves");
        });
    });
}

#[test]
fn one_thread_alone_takes_a_place() {
    sound!({
        let mut won = 0;
        for _ in 0..times(200) {
            let place = Map::bytes(page())
                .anonymously()
                .with(perms::None)
                .unwrap()
                .addr();
            let maps: Vec<_> = (1..5)
                .map(|value| {
                    let mut map = anonymous(page());
                    map.fill(value);
                    (map, value)
                })
                .collect();
            let maps: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = maps
                    .into_iter()
                    .map(|(map, value)| scope.spawn(move || (map.move_to(place), value)))
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect()
            });
            let mut there = 0;
            for (moved, value) in maps {
                let map = moved.unwrap_or_else(|error| error.into_map().unwrap());
                there += usize::from(map.addr() == place);
                assert!(map.iter().all(|&byte| byte == value));
            }
            assert!(there <= 1);
            won += there;
        }
        assert!(won > 0);
    });
}

#[test]
fn nothing_is_left_behind() {
    needs!(linux = "5.13"); // take_pages of files
    sound!({
        let rounds = || {
            let file = disk_file(4 * page());
            for _ in 0..times(50) {
                let map = shared(3 * page());
                let twin = map.duplicate().unwrap();
                let (one, two) = twin.split(page()).unwrap();
                let twin = one.join(two).map_err(Error::without_map).unwrap();
                drop((map, twin));
                let mut map = anonymous(3 * page());
                drop(map.take_pages_at(page()..2 * page()).unwrap());
                drop(map);
                let map = anonymous(3 * page());
                let map = map.resize(20 * page()).unwrap().resize(page()).unwrap();
                let place = Map::bytes(page())
                    .anonymously()
                    .with(perms::None)
                    .unwrap()
                    .addr();
                drop(map.move_to(place).unwrap());
                let mut map = Map::bytes(page())
                    .from(&file, 0)
                    .with(perms::ReadWrite)
                    .unwrap();
                map.write_at(0, b"x").unwrap();
                drop(map.take_pages().unwrap());
                let map = map.resize(4 * page()).unwrap();
                let map = map.resize(usize::MAX).unwrap_err().into_map().unwrap();
                drop(map.move_to(1).unwrap_err());
            }
        };
        rounds();
        let (mapped, open) = (mappings(), open_descriptors());
        rounds();
        assert!(
            mappings() <= mapped + 2,
            "{} and then {}",
            mapped,
            mappings()
        );
        assert_eq!(open_descriptors(), open);
    });
}

#[test]
fn refused_calls_change_nothing() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    // Without munmap all of it stays, and so do two places that were reserved.
    sound!(Leak::mapped(14 * page()), {
        let mut map = anonymous(4 * page());
        map.fill(7);
        let twins = shared(2 * page());
        let place = Map::bytes(4 * page())
            .anonymously()
            .with(perms::None)
            .unwrap()
            .addr();
        raw::forbid(&[Call::Mremap, Call::Munmap], Errno::PERM).unwrap();
        let addr = map.addr();
        assert_eq!(map.take_pages().unwrap_err().errno(), Errno::PERM);
        assert_eq!(twins.duplicate().unwrap_err().errno(), Errno::PERM);
        let map = map.resize(8 * page()).unwrap_err().into_map().unwrap();
        let map = map.resize(page()).unwrap_err().into_map().unwrap();
        let map = map.resize(0).unwrap_err().into_map().unwrap();
        let mut map = map.move_to(place).unwrap_err().into_map().unwrap();
        assert_eq!((map.addr(), map.len()), (addr, 4 * page()));
        assert!(map.iter().all(|&byte| byte == 7));
        map.fill(8);
        assert_eq!(Vma::of(&map).perms, "rw-p");
        // Without a call, a length inside the last page is had all the same.
        let map = map.resize(4 * page() - 1).unwrap();
        assert!(map.iter().all(|&byte| byte == 8));
    });
}

#[test]
fn a_file_that_is_cut_short_under_a_grown_or_moved_map_is_an_error() {
    needs!(linux = "5.13"); // take_pages of files
    sound!({
        for kind in [false, true] {
            let file = disk_file(4 * page());
            let map = Map::bytes(page())
                .from(&file, 0)
                .with(perms::ReadWrite)
                .unwrap();
            let mut map = map.resize(4 * page()).unwrap();
            map.write_at(3 * page(), b"copied").unwrap();
            let taken = kind.then(|| map.take_pages().unwrap());
            file.set_len(page() as u64).unwrap();
            let map = taken.unwrap_or(map);
            let mut byte = [0];
            assert_eq!(
                map.read_at(3 * page(), &mut byte).unwrap_err().errno(),
                Errno::FAULT
            );
            let map = map.resize(6 * page()).unwrap();
            assert_eq!(
                map.read_at(5 * page(), &mut byte).unwrap_err().errno(),
                Errno::FAULT
            );
            let place = Map::bytes(6 * page())
                .anonymously()
                .with(perms::None)
                .unwrap()
                .addr();
            let map = map.move_to(place).unwrap();
            assert_eq!(
                map.read_at(page(), &mut byte).unwrap_err().errno(),
                Errno::FAULT
            );
            map.read_at(0, &mut byte).unwrap();
            let (one, two) = map.split(page()).unwrap();
            let map = one.join(two).map_err(Error::without_map).unwrap();
            assert_eq!(
                map.read_at(2 * page(), &mut byte).unwrap_err().errno(),
                Errno::FAULT
            );
            let map = map.reprotect(perms::Read).unwrap();
            assert_eq!(
                map.read_at(2 * page(), &mut byte).unwrap_err().errno(),
                Errno::FAULT
            );
        }
        // A shared map that was doubled: both see it, and both see it grow again.
        let file = disk_file(2 * page());
        let map = Map::bytes(2 * page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::Read)
            .unwrap();
        let twin = map.duplicate().unwrap();
        file.set_len(0).unwrap();
        let mut byte = [0];
        assert!(map.read_at(0, &mut byte).is_err() && twin.read_at(0, &mut byte).is_err());
        twin.lock(..).unwrap_err();
        file.write_all_at(b"again", 0).unwrap();
        twin.read_at(0, &mut byte).unwrap();
        assert_eq!(byte, *b"a");
    });
}

#[test]
fn sentinels_around_every_call_stay() {
    sound!({
        let (mut before, rest) = anonymous(9 * page()).split(3 * page()).unwrap();
        let (mut map, mut after) = rest.split(3 * page()).unwrap();
        before.fill(1);
        map.fill(2);
        after.fill(3);
        let mut check = || {
            assert!(before.iter().all(|&byte| byte == 1));
            assert!(after.iter().all(|&byte| byte == 3));
            assert_eq!(Vma::of(&before).perms, "rw-p");
            assert_eq!(Vma::of(&after).perms, "rw-p");
            before.fill(1);
            after.fill(3);
        };
        drop(map.take_pages_at(..page()).unwrap());
        check();
        let map = map
            .resize_in_place(4 * page())
            .unwrap_err()
            .into_map()
            .unwrap();
        check();
        let at = map.addr();
        let map = map
            .resize(3 * page() - 1)
            .unwrap()
            .resize(2 * page() + 1)
            .unwrap();
        check();
        let map = map
            .resize(2 * page())
            .unwrap()
            .resize_in_place(3 * page())
            .unwrap();
        check();
        assert_eq!((map.addr(), map[page()], map[2 * page()]), (at, 2, 0));
        for to in [at - page(), at + page(), at - 3 * page(), at + 3 * page()] {
            assert!(map.addr() == at);
            let (one, two) = anonymous(2 * page()).split(page()).unwrap();
            assert_eq!(one.move_to(to).unwrap_err().errno(), Errno::EXIST);
            assert_eq!(two.move_to(to).unwrap_err().errno(), Errno::EXIST);
            check();
        }
        // Made before there is a hole at `at`, where the kernel could put it at once.
        let mover = anonymous(3 * page());
        drop(map);
        check();
        let map = mover.move_to(at).unwrap();
        check();
        map.lock(..).unwrap();
        map.unmap().unwrap();
        check();
        assert!(is_free(at, 3 * page()));
    });
}

#[test]
fn limits_are_errors_that_give_back_what_they_took() {
    sound!({
        let file = disk_file(page());
        limit(Resource::As, 1 << 30);
        let mut maps = vec![];
        while let Ok(map) = Map::bytes(32 << 20).anonymously().with(perms::ReadWrite) {
            maps.push(map);
        }
        let mut map = maps.pop().unwrap();
        map[0] = 7;
        let addr = map.addr();
        assert_eq!(map.take_pages().unwrap_err().errno(), Errno::NOMEM);
        let map = map.resize(96 << 20).unwrap_err().into_map().unwrap();
        let map = map
            .resize_in_place(96 << 20)
            .unwrap_err()
            .into_map()
            .unwrap();
        let map = map.move_to(1 << 40).unwrap_err().into_map().unwrap();
        assert_eq!((map.addr(), map.len(), map[0]), (addr, 32 << 20, 7));
        assert!(is_free(1 << 40, page()));
        let grown = Map::bytes(page()).from(&file, 0).with(perms::Read).unwrap();
        let grown = grown.resize(96 << 20).unwrap_err().into_map().unwrap();
        assert_eq!(bytes_of(&grown), patterned(0, page()));
        drop(map);
        assert!(is_free(addr, page()));
    });
}

#[test]
fn sizes_of_atomics_follow_the_pages() {
    let map = shared(4 * page());
    map.atomics::<AtomicU32>(0..4).unwrap()[0].store(1, Relaxed);
    let (one, two) = map.split(2 * page()).unwrap();
    let twin = two.duplicate().unwrap();
    assert!(twin.atomics::<AtomicU8>(..).is_err());
    let map = one.join(two).map_err(Error::without_map).unwrap();
    assert!(map.atomics::<AtomicU8>(..).is_err());
    let map = map.reprotect(Unknown(ProtFlags::READ)).unwrap();
    let map = map.reprotect(perms::ReadWrite).unwrap();
    assert!(map.atomics::<AtomicU8>(..).is_err());
    let map = map.expose();
    assert!(map.atomics::<AtomicU8>(..).is_err());
    assert_eq!(map.atomics::<AtomicU32>(..).unwrap()[0].load(Relaxed), 1);
}

#[test]
fn maps_of_files_end_where_no_offset_is_left() {
    needs!(linux = "5.13"); // take_pages of files
    // The kernel grows a map past the largest offset of its file; copies there are errors.
    let file = disk_file(page());
    let far = i64::MAX as u64 + 1 - 2 * page() as u64;
    for kind in [true, false] {
        let map = Map::bytes(page())
            .from(&file, far)
            .with(perms::ReadWrite)
            .unwrap();
        assert!(map.read_at(0, &mut [0]).is_err());
        let mut map = match map.resize(64 * page()) {
            Ok(map) => map,
            Err(error) => error.into_map().unwrap(),
        };
        let at = map.len() - 1;
        assert_eq!(map.read_at(at, &mut [0]).unwrap_err().errno(), Errno::FAULT);
        assert_eq!(map.write_at(at, b"x").unwrap_err().errno(), Errno::FAULT);
        if kind {
            map = map.take_pages().unwrap();
            assert_eq!(map.read_at(at, &mut [0]).unwrap_err().errno(), Errno::FAULT);
        }
    }
    assert_eq!(file.metadata().unwrap().len(), page() as u64);
    drop(file_map(page(), Private));
}

/// Single pages, of which no two neighbours are alike, until the kernel has no mapping left but a few.
fn crowd(limit: usize, spare: usize) -> Vec<Map<Unknown>> {
    let mut pages = Vec::with_capacity(limit);
    let kinds = [ProtFlags::READ, ProtFlags::empty()];
    while let Ok(map) = Map::bytes(page())
        .anonymously()
        .with(Unknown(kinds[pages.len() % 2]))
    {
        pages.push(map);
    }
    pages.truncate(pages.len() - spare);
    pages
}

#[test]
fn without_mappings_left_everything_stays() {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").expect("the limit");
    let limit: usize = limit.trim().parse().expect("a number");
    if limit > 1 << 20 {
        skip!("vm.max_map_count is {limit}: too many mappings to make");
    }
    if features::guest().is_there {
        skip!("so many mappings take minutes; the target `machine` has it with a low limit");
    }
    sound!({
        let mut map = anonymous(8 * page());
        map.fill(7);
        let twins = shared(8 * page());
        twins
            .view(..)
            .unwrap()
            .write_at(0, &patterned(0, 8 * page()))
            .unwrap();
        let (one, two) = map.split(4 * page()).unwrap();
        let (two, three) = two.split(2 * page()).unwrap();
        let at = two.addr();
        let pages = crowd(limit, 1);
        let refused = |errno| assert_eq!(errno, Errno::NOMEM);
        let mut two = two;
        refused(two.take_pages().unwrap_err().errno());
        refused(twins.duplicate().unwrap_err().errno());
        let error = two.resize(4 * page()).unwrap_err();
        refused(error.errno());
        let error = error.into_map().unwrap().resize(page());
        let two = error.unwrap_or_else(|error| error.into_map().unwrap());
        drop(pages);
        // Each has what it had, and may still be written, changed and put together.
        assert_eq!(
            (two.addr(), bytes_of(&twins)),
            (at, patterned(0, 8 * page()))
        );
        let (len, mut parts) = (two.len(), [one, two, three]);
        assert!([page(), 2 * page()].contains(&len));
        for part in &mut parts {
            assert!(part.iter().all(|&byte| byte == 7));
            part.fill(8);
            assert_eq!(Vma::of(part).perms, "rw-p");
        }
        let [one, two, three] = parts;
        let two = two.resize_in_place(2 * page()).unwrap();
        let map = one.join(two).map_err(Error::without_map).unwrap();
        let map = map.join(three).map_err(Error::without_map).unwrap();
        assert_eq!(map.len(), 8 * page());
        assert_eq!(twins.duplicate().unwrap().len(), 8 * page());
    });
}
