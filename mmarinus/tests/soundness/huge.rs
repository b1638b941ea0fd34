//! Huge pages: the pool runs dry, peers punch holes, halves lose their other half, neighbours lie close. No signal, no loss.
#![forbid(unsafe_code)]

use std::fs::File;

use mmarinus::{Errno, HugePage, Map, Shared, perms};
use mmarinus_sys::Support;
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

use crate::common::{anonymous, bytes_of, page};
use crate::testing::{needs, sound};

/// The size of the pages of these tests in bytes.
const HUGE: usize = 2 << 20;

/// A memory file in huge pages, of so many bytes.
fn huge_file(len: usize) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
    let file = File::from(memfd_create("huge", flags).expect("a memfd in huge pages"));
    file.set_len(len as u64).expect("room");
    file
}

/// How many huge pages nobody has.
fn free() -> usize {
    let pool = Support::huge_pages(HugePage::SIZE_2MB).expect("a pool");
    (pool.free - pool.reserved) as usize
}

#[test]
fn whoever_gets_a_map_gets_all_of_its_pages() {
    needs!(huge_2mb);
    sound!(huge, {
        // More threads than pages, so that most of them go without.
        let each = free().div_ceil(3).max(1);
        let maps: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u8)
                .map(|own| {
                    scope.spawn(move || {
                        let mut maps = 0;
                        for _ in 0..8 {
                            let map = Map::bytes(each * HUGE)
                                .anonymously()
                                .with_huge_pages(HugePage::SIZE_2MB)
                                .with(perms::ReadWrite);
                            let Ok(mut map) = map else { continue };
                            for page in map.chunks_mut(HUGE) {
                                page[0] = own;
                                page[HUGE - 1] = own;
                            }
                            assert!(
                                map.chunks(HUGE)
                                    .all(|page| [page[0], page[HUGE - 1]] == [own; 2])
                            );
                            maps += 1;
                        }
                        maps
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .sum()
        });
        assert!(maps > 0, "nobody got a map");
    });
}

#[test]
fn reserved_pages_are_there_when_the_pool_is_dry() {
    needs!(huge_2mb);
    sound!(huge, {
        let reserved = Map::bytes(HUGE)
            .anonymously()
            .with_huge_pages(HugePage::SIZE_2MB)
            .with(perms::None)
            .unwrap();
        // Whatever else is there, as far as others leave it.
        let rest: Vec<_> = core::iter::from_fn(|| {
            let request = Map::bytes(HUGE)
                .anonymously()
                .with_huge_pages(HugePage::SIZE_2MB);
            request.with(perms::ReadWrite).ok()
        })
        .collect();
        let error = Map::bytes(HUGE)
            .anonymously()
            .with_huge_pages(HugePage::SIZE_2MB)
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM, "{error}");
        let mut map = reserved.reprotect(perms::ReadWrite).unwrap();
        map.fill(1);
        // A replacement needs as many pages again: there are none, and the map stays.
        let error = map
            .remap()
            .anonymously()
            .with_huge_pages(HugePage::SIZE_2MB)
            .with(perms::Read)
            .unwrap_err();
        let map = error.into_map().expect("nothing was done to it");
        assert!(map.iter().all(|&byte| byte == 1));
        drop(rest);
    });
}

#[test]
fn halves_stay_whole_whatever_happens_to_the_other() {
    needs!(huge_2mb);
    sound!(huge, {
        for done in 0..5 {
            let mut map = Map::bytes(2 * HUGE)
                .anonymously()
                .with_huge_pages(HugePage::SIZE_2MB)
                .with(perms::ReadWrite)
                .unwrap();
            map.fill(9);
            let address = map.addr();
            let (first, mut second) = map.split(HUGE).unwrap();
            match done {
                0 => drop(first),
                1 => drop(
                    first
                        .reprotect(perms::None)
                        .unwrap()
                        .reprotect(perms::Read)
                        .unwrap(),
                ),
                2 => drop(first.move_to(address - 64 * HUGE).unwrap_err()),
                3 => drop(first.resize(0).unwrap()),
                _ => drop(
                    first
                        .remap()
                        .anonymously()
                        .with_huge_pages(HugePage::SIZE_2MB)
                        .with(perms::Read),
                ),
            }
            assert!(second.iter().all(|&byte| byte == 9));
            second.fill(1);
            let second = second.reprotect(perms::Read).unwrap();
            assert!(second.iter().all(|&byte| byte == 1));
        }
    });
}

#[test]
fn a_file_that_loses_pages_is_an_error() {
    needs!(huge_2mb);
    sound!(huge, {
        let file = huge_file(2 * HUGE);
        let mut map = Map::bytes(2 * HUGE)
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        let own = Map::bytes(2 * HUGE)
            .from(&file, 0)
            .with(perms::ReadWrite)
            .unwrap();
        map.write_at(0, &[1; 100]).unwrap();
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, punch, 0, 2 * HUGE as u64).expect("a hole");
        // Another takes the pages that are free now.
        let taken = Map::bytes(free() * HUGE)
            .anonymously()
            .with_huge_pages(HugePage::SIZE_2MB)
            .with(perms::ReadWrite);
        let mut bytes = [9; 100];
        for map in [map.view(..).unwrap()] {
            match map.read_at(0, &mut bytes) {
                Ok(()) => assert_eq!(bytes, [0; 100]),
                Err(fault) => assert_eq!(fault.errno(), Errno::FAULT),
            }
        }
        match own.read_at(HUGE, &mut bytes) {
            Ok(()) => assert_eq!(bytes, [0; 100]),
            Err(fault) => assert_eq!(fault.errno(), Errno::FAULT),
        }
        drop(taken);
        file.set_len(0).unwrap();
        assert_eq!(
            map.read_at(0, &mut bytes).unwrap_err().errno(),
            Errno::FAULT
        );
        assert_eq!(
            map.write_at(HUGE, &bytes).unwrap_err().errno(),
            Errno::FAULT
        );
    });
}

#[test]
fn neighbours_in_ordinary_pages_are_not_covered() {
    needs!(huge_2mb, linux = "5.16");
    sound!(huge, {
        let file = huge_file(HUGE);
        // Ordinary pages all around a hole of one ordinary page, where no huge page fits.
        let mut around = anonymous(4 * HUGE);
        around.fill(7);
        let hole = around.addr() + 2 * HUGE;
        let (before, rest) = around.split(2 * HUGE).unwrap();
        let (middle, after) = rest.split(page()).unwrap();
        drop(middle);
        for error in [
            Map::bytes(page())
                .at(hole)
                .from(&file, 0)
                .with(perms::Read)
                .unwrap_err(),
            Map::bytes(page())
                .at(hole)
                .from_device(&file, 0)
                .with(perms::Read)
                .unwrap_err(),
            Map::bytes(page())
                .at(hole)
                .anonymously()
                .with_huge_pages(HugePage::SIZE_2MB)
                .with(perms::Read)
                .unwrap_err(),
        ] {
            assert!(
                [Errno::EXIST, Errno::INVAL].contains(&error.errno()),
                "{error}"
            );
        }
        for address in [hole, hole - page(), hole + page()] {
            let near = Map::bytes(page())
                .near(address)
                .from(&file, 0)
                .with(perms::Read)
                .unwrap();
            assert!(near.addr().is_multiple_of(HUGE));
        }
        assert!(
            bytes_of(&before)
                .iter()
                .chain(bytes_of(&after).iter())
                .all(|&byte| byte == 7)
        );
        let error = after
            .remap()
            .from_device(&file, 0)
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{error}");
        assert!(error.into_map().unwrap().iter().all(|&byte| byte == 7));
    });
}
