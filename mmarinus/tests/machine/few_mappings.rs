//! `vm.max_map_count` is low: each call that needs a mapping more fails, with its map intact.
#![forbid(unsafe_code)]

use mmarinus::perms::{self, Unknown};
use mmarinus::{Advice, Errno, Map, ProtFlags, Shared};

use crate::common::{Vma, anonymous, bytes_of, disk_file, is_free, mappings, page, patterned};
use crate::testing::machine::Machine;
use crate::testing::sound::Leak;
use crate::testing::{needs, sound};

const BOTH: Unknown = Unknown(ProtFlags::READ.union(ProtFlags::WRITE));

/// How many mappings a process may have here.
const LIMIT: usize = 400;

/// A machine where a process has few mappings.
fn few() -> Machine {
    let mut machine = Machine::alone();
    machine.set("vm/max_map_count", LIMIT);
    machine
}

/// Memory that the allocator has got and keeps: without a mapping left, it gets no more.
fn provide() -> impl Drop {
    let room = vec![1_u8; 8 << 20];
    // What lies behind the room keeps it from being given back.
    let behind = vec![room[0]; 1 << 16];
    drop(room);
    behind.into_iter()
}

/// Maps single pages of a file until the kernel has no mapping left. No two of them can be one.
fn crowd() -> Vec<Map<perms::Read, Shared, mmarinus::backing::File>> {
    let file = disk_file(page());
    let mut held = Vec::with_capacity(LIMIT);
    loop {
        let map = Map::bytes(page()).from(&file, 0).with_kind(Shared);
        match map.with(perms::Read) {
            Ok(map) => held.push(map),
            Err(error) => {
                assert_eq!(error.errno(), Errno::NOMEM);
                assert!(error.to_string().contains("vm.max_map_count"), "{error}");
                assert!(mappings() >= LIMIT, "{} mappings", mappings());
                return held;
            }
        }
    }
}

#[test]
fn the_middle_of_a_mapping_stays_for_ever() {
    needs!(guest);
    let _machine = few();
    sound!(Leak::mapped(page()), {
        let mut row = anonymous(9 * page());
        row.fill(7);
        let (one, two) = row.split(4 * page()).unwrap();
        let (two, three) = two.split(page()).unwrap();
        let addr = two.addr();
        let held = crowd();
        let error = two.unmap().unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::NOMEM, "munmap"));
        let two = error.into_map().unwrap();
        assert!(two.iter().all(|&byte| byte == 7));
        drop(two);
        // Nobody else gets the place, and the neighbours are what they were.
        drop(held);
        assert!(!is_free(addr, page()));
        for map in [one, three] {
            assert!(map.iter().all(|&byte| byte == 7));
            map.unmap().unwrap();
        }
        assert!(!is_free(addr, page()));
    });
}

#[test]
fn a_change_that_stops_half_way_is_taken_back() {
    needs!(guest);
    let _machine = few();
    sound!({
        // The second half of the last mapping is another map: to change the first half, the kernel has to cut it.
        let row = anonymous(9 * page()).forget_permissions();
        let (map, other) = row.split(5 * page()).unwrap();
        let mut map = map;
        map.write_at(0, &patterned(0, 5 * page())).unwrap();
        map.advise(2 * page()..3 * page(), Advice::DONTDUMP)
            .unwrap();
        let _room = provide();
        let held = crowd();
        for prot in [ProtFlags::READ, ProtFlags::empty()] {
            let error = map.reprotect(Unknown(prot)).unwrap_err();
            assert_eq!(
                (error.errno(), error.operation()),
                (Errno::NOMEM, "mprotect")
            );
            map = error.into_map().expect("it was taken back");
            assert_eq!(map.permissions(), BOTH.0);
            for addr in (map.addr()..other.addr() + other.len()).step_by(page()) {
                assert_eq!(Vma::at(addr).unwrap().perms, "rw-p");
            }
            assert_eq!(bytes_of(&map), patterned(0, 5 * page()));
        }
        drop(held);
        let map = map.reprotect(perms::Read).unwrap();
        assert_eq!(map[..], patterned(0, 5 * page()));
        assert_eq!(Vma::of(&other).perms, "rw-p");
    });
}

#[test]
fn nothing_is_moved_or_replaced_without_room() {
    needs!(guest);
    let _machine = few();
    sound!({
        let file = disk_file(page());
        let place = anonymous(9 * page()).addr();
        let row = anonymous(9 * page());
        let (one, two) = row.split(4 * page()).unwrap();
        let (mut two, three) = two.split(page()).unwrap();
        two.fill(7);
        let addr = two.addr();
        let held = crowd();
        let refused = |errno: Errno| assert_eq!(errno, Errno::NOMEM);
        refused(two.take_pages().unwrap_err().errno());
        let error = two.resize(2 * page()).unwrap_err();
        refused(error.errno());
        let error = error.into_map().unwrap().move_to(place + (1 << 30));
        let error = error.unwrap_err();
        refused(error.errno());
        let two = error.into_map().unwrap();
        let error = two.remap().from(&file, 0).with(perms::Read).unwrap_err();
        refused(error.errno());
        let two = error
            .into_map()
            .expect("nothing was mapped, so nothing was lost");
        assert_eq!(two.addr(), addr);
        assert!(two.iter().all(|&byte| byte == 7));
        drop(held);
        drop((one, two, three));
        assert!(is_free(addr, page()));
    });
}
