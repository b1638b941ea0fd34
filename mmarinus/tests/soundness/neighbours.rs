//! What a call must not touch: the pages before and after, the maps of others, and the room that a stack grows into.
#![forbid(unsafe_code)]

use mmarinus::{Errno, Map, Shared, perms};

use crate::common::{Vma, anonymous, bytes_of, disk_file, page, patterned};
use crate::testing::sound;

/// Three maps side by side, full of ones, twos and threes.
fn three() -> [Map<perms::ReadWrite>; 3] {
    let (one, rest) = anonymous(6 * page()).split(2 * page()).unwrap();
    let (two, three) = rest.split(2 * page()).unwrap();
    let mut maps = [one, two, three];
    for (value, map) in (1..).zip(&mut maps) {
        map.fill(value);
    }
    maps
}

/// Asserts that a map has only this byte, and may be written.
fn assert_whole(map: &mut Map<perms::ReadWrite>, value: u8) {
    assert_eq!(map.len(), 2 * page());
    assert!(map.iter().all(|&byte| byte == value));
    assert_eq!(Vma::of(map).perms, "rw-p");
    map.fill(0);
    map.fill(value);
}

#[test]
fn neighbours_are_not_touched() {
    sound!({
        let file = disk_file(2 * page());
        let [mut one, two, mut three] = three();
        let mut check = || {
            assert_whole(&mut one, 1);
            assert_whole(&mut three, 3);
        };
        let two = two.reprotect(perms::None).unwrap();
        check();
        let two = two
            .remap()
            .anonymously()
            .populate()
            .with(perms::ReadWrite)
            .unwrap();
        check();
        let two = two
            .remap()
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        check();
        let (mut left, right) = two.split(page()).unwrap();
        left.write_at(0, &patterned(0, page())).unwrap();
        drop(right);
        check();
        left.unmap().unwrap();
        check();
    });
}

#[test]
fn lengths_inside_of_pages_take_their_pages_alone() {
    sound!({
        let [mut one, two, mut three] = three();
        let addr = two.addr();
        drop(two);
        let file = disk_file(2 * page());
        // Two maps with gaps in their pages, where one was.
        let left = Map::bytes(1)
            .at(addr + 100)
            .from(&file, 100)
            .with(perms::Read)
            .unwrap();
        let right = Map::bytes(page() - 1)
            .at(addr + page())
            .anonymously()
            .with(perms::ReadWrite)
            .unwrap();
        assert_eq!((left.pages().1, right.pages().1), (page(), page()));
        assert_eq!(bytes_of(&left), patterned(100, 1));
        assert_whole(&mut one, 1);
        assert_whole(&mut three, 3);
        let left = left.reprotect(perms::None).unwrap();
        assert!(right.iter().all(|&byte| byte == 0));
        drop(left);
        assert!(right.iter().all(|&byte| byte == 0));
        drop(right);
        assert_whole(&mut one, 1);
        assert_whole(&mut three, 3);
    });
}

#[test]
fn a_place_that_is_taken_is_not_taken_over() {
    let [mut one, mut two, mut three] = three();
    for addr in [
        one.addr(),
        one.addr() + page(),
        two.addr(),
        three.addr() - page(),
    ] {
        for size in [1, page(), 2 * page(), 6 * page()] {
            Map::bytes(size)
                .at(addr)
                .anonymously()
                .with(perms::ReadWrite)
                .unwrap_err();
            let map = Map::bytes(size)
                .near(addr)
                .anonymously()
                .with(perms::ReadWrite)
                .unwrap();
            assert_eq!(map[0], 0);
        }
    }
    for (value, map) in (1..).zip([&mut one, &mut two, &mut three]) {
        assert_whole(map, value);
    }
}

#[test]
fn the_main_stack_has_room_to_grow() {
    sound!({
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps
            .lines()
            .find(|line| line.ends_with("[stack]"))
            .expect("the main thread has a stack");
        let (start, _) = line.split_once('-').unwrap();
        let stack = usize::from_str_radix(start, 16).unwrap();
        // The kernel keeps 256 pages below a stack free, and does not let it grow closer to a map.
        for pages in [1, 2, 16, 200] {
            let error = Map::bytes(page())
                .at(stack - pages * page())
                .anonymously()
                .with(perms::None)
                .unwrap_err();
            assert_eq!(error.errno(), Errno::EXIST, "{pages} pages below the stack");
            let map = Map::bytes(page())
                .near(stack - pages * page())
                .anonymously()
                .with(perms::None)
                .unwrap();
            assert!(map.addr().abs_diff(stack) > 200 * page());
        }
    });
}

#[test]
fn a_map_does_not_grow_up_to_the_main_stack() {
    sound!({
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps
            .lines()
            .find(|line| line.ends_with("[stack]"))
            .expect("the main thread has a stack");
        let (start, _) = line.split_once('-').unwrap();
        let stack = usize::from_str_radix(start, 16).unwrap();
        let below = 512 * page();
        let map = || {
            let mut map = Map::bytes(page())
                .at(stack - below)
                .anonymously()
                .with(perms::ReadWrite)
                .unwrap();
            map.fill(7);
            map
        };
        // Right up to the stack, and into the gap of 256 pages below it.
        for len in [below, below - page(), below - 200 * page()] {
            let error = map().resize_in_place(len).unwrap_err();
            assert_eq!(error.errno(), Errno::NOMEM);
            assert!(error.into_map().unwrap().iter().all(|&byte| byte == 7));

            let moved = map().resize(len).unwrap();
            assert!(moved.addr() + moved.len() <= stack - 256 * page() || moved.addr() > stack);
            assert!(moved[..page()].iter().all(|&byte| byte == 7));
            assert!(moved[page()..].iter().all(|&byte| byte == 0));
        }
        let grown = map().resize_in_place(64 * page()).unwrap();
        assert_eq!(grown.addr(), stack - below);
    });
}
