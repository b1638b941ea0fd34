//! Words of the builder about the place of a map and about forked children: `aligned_to`, `dont_fork`, `wipe_on_fork`.

use std::os::unix::fs::FileExt;

use mmarinus::{Errno, Map, Shared, perms};

use crate::common::{anonymous, bytes_of, disk_file, page, patterned};
use crate::raw::in_fork;

#[test]
fn every_alignment_is_kept() {
    for shift in page().trailing_zeros()..=30 {
        for size in [1, page(), 3 * page() + 1, 5 << 20] {
            let map = Map::bytes(size)
                .aligned_to(1 << shift)
                .anonymously()
                .with(perms::ReadWrite)
                .unwrap();
            assert_eq!(map.addr() % (1 << shift), 0, "{size} bytes at 1 << {shift}");
            assert_eq!(map.len(), size);
            assert!(map.iter().step_by(page()).all(|&byte| byte == 0));
        }
    }
}

#[test]
fn pages_that_are_brought_in_are_aligned_as_well() {
    let mut map = Map::bytes(3 << 20)
        .aligned_to(2 << 20)
        .populate()
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(map.addr() % (2 << 20), 0);
    map.fill(7);
    assert_eq!(map[(3 << 20) - 1], 7);
}

#[test]
fn files_are_aligned_by_their_first_page() {
    let file = disk_file(3 * page());
    let map = Map::bytes(2 * page())
        .aligned_to(1 << 24)
        .from(&file, 100)
        .with(perms::Read)
        .unwrap();
    assert_eq!(map.addr() % (1 << 24), 100);
    assert_eq!(bytes_of(&map), patterned(100, 2 * page()));
}

#[test]
fn many_aligned_maps_fit_and_leave_nothing_behind() {
    // Between them the kernel has no place that is aligned by itself.
    let between = || anonymous(page());
    let maps: Vec<_> = (0..50)
        .map(|i| {
            let map = Map::bytes(page())
                .aligned_to(1 << 22)
                .anonymously()
                .with(perms::ReadWrite)
                .unwrap();
            assert_eq!(map.addr() % (1 << 22), 0, "map {i}");
            (map, between())
        })
        .collect();
    let mut starts: Vec<_> = maps.iter().map(|(map, _)| map.addr()).collect();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts.len(), maps.len());
}

#[test]
fn what_is_no_alignment_is_refused() {
    for align in [0, 3, page() + 1, usize::MAX] {
        let error = Map::bytes(1)
            .aligned_to(align)
            .anonymously()
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{align}");
    }
    let error = Map::bytes(1)
        .aligned_to(1 << (usize::BITS - 1))
        .anonymously()
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::NOMEM);
    let half_aligned = anonymous(1 << 20).addr() | page();
    let error = Map::bytes(1)
        .at(half_aligned)
        .aligned_to(2 * page())
        .anonymously()
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
}

#[test]
fn a_map_is_not_replaced_by_one_that_is_more_aligned() {
    let mut old = anonymous(2 * page());
    old.fill(7);
    let (first, second) = old.split(page()).unwrap();
    let odd = if first.addr() % (2 * page()) == 0 {
        second
    } else {
        first
    };
    let error = odd
        .remap()
        .aligned_to(2 * page())
        .anonymously()
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let odd = error.into_map().unwrap();
    assert!(odd.iter().all(|&byte| byte == 7));
    let even = odd
        .remap()
        .aligned_to(page())
        .anonymously()
        .with(perms::Read)
        .unwrap();
    assert!(even.iter().all(|&byte| byte == 0));
}

#[test]
fn a_child_gets_zeros_of_a_map_that_is_wiped() {
    let mut map = Map::bytes(page())
        .wipe_on_fork()
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    map.fill(7);
    assert!(in_fork(|| map.iter().all(|&byte| byte == 0)));
    assert!(map.iter().all(|&byte| byte == 7));
}

#[test]
fn a_child_does_not_get_a_map_that_is_not_forked() {
    let file = disk_file(page());
    let map = Map::bytes(page())
        .dont_fork()
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    // The kernel copies, so that a page which is not there is an error.
    assert!(in_fork(|| {
        let mut byte = [0];
        map.read_at(0, &mut byte)
            .is_err_and(|fault| fault.errno() == Errno::FAULT)
    }));
    assert_eq!(bytes_of(&map), patterned(0, page()));
}

#[test]
fn only_private_anonymous_memory_is_wiped() {
    let file = disk_file(page());
    let error = Map::bytes(page())
        .wipe_on_fork()
        .from(&file, 0)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let error = Map::bytes(page())
        .wipe_on_fork()
        .anonymously()
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0).unwrap();
    assert_eq!(byte, patterned(0, 1)[..]);
}

#[test]
fn an_empty_map_does_not_forget_what_it_was_asked_for() {
    let wiped = Map::bytes(0)
        .wipe_on_fork()
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(wiped.resize(page()).unwrap_err().errno(), Errno::INVAL);
    let hidden = Map::bytes(page())
        .dont_fork()
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    let hidden = hidden.resize(3 * page()).unwrap().resize(0).unwrap();
    assert_eq!(hidden.resize(page()).unwrap_err().errno(), Errno::INVAL);
    let plain = anonymous(page()).resize(0).unwrap().resize(page()).unwrap();
    assert!(plain.iter().all(|&byte| byte == 0));
}
