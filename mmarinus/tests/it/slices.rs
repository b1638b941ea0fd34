//! Rung 3: slices, and what follows from `Deref`.

use core::borrow::{Borrow, BorrowMut};
use std::thread;

use mmarinus::{Map, Private, Shared, perms};

use crate::common::{anonymous, page, patterned};
use crate::raw::stable;

#[test]
fn memory_of_ones_own_is_a_slice() {
    let mut map = anonymous(page() + 3);
    assert_eq!(map.as_slice().len(), page() + 3);
    assert_eq!(map.as_slice().as_ptr(), map.as_ptr());
    map.as_mut_slice()[page() + 2] = 7;
    map[0] = 1;
    assert_eq!((map[0], map[1], map.last()), (1, 0, Some(&7)));
    map.fill(9);
    assert!(map.iter().all(|&byte| byte == 9));
    let (left, right) = map.split_at_mut(10);
    left.copy_from_slice(&[1; 10]);
    right[0] = 2;
    assert_eq!(map[8..12], [1, 1, 2, 9]);
}

#[test]
fn every_way_leads_to_the_same_bytes() {
    let mut map = anonymous(16);
    map[3] = 3;
    let expected: &[u8] = &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(map.as_slice(), expected);
    assert_eq!(&*map, expected);
    assert_eq!(AsRef::<[u8]>::as_ref(&map), expected);
    assert_eq!(Borrow::<[u8]>::borrow(&map), expected);
    assert_eq!(map.view(..).unwrap().as_slice(), expected);
    AsMut::<[u8]>::as_mut(&mut map)[0] = 1;
    BorrowMut::<[u8]>::borrow_mut(&mut map)[1] = 2;
    map.as_mut_slice()[2] = 4;
    assert_eq!(map[..4], [1, 2, 4, 3]);
}

#[test]
fn a_stable_file_is_a_slice() {
    let map = stable(2 * page() + 1, Private, perms::Read);
    assert_eq!(*map, patterned(0, 2 * page() + 1));
    let map = stable(page(), Shared, perms::ReadExecute);
    assert_eq!(*map, patterned(0, page()));
    let mut map = stable(page(), Shared, perms::ReadWrite);
    map[5..10].copy_from_slice(b"hello");
    assert_eq!(&map[5..10], b"hello");
    let mut map = stable(page(), Private, perms::ReadWriteExecute);
    map.fill(1);
    assert!(map.iter().all(|&byte| byte == 1));
}

#[test]
fn what_was_read_only_was_zeros_or_the_file() {
    let map = Map::bytes(100)
        .anonymously()
        .with(perms::ReadExecute)
        .unwrap();
    assert_eq!(*map, [0; 100]);
}

#[test]
fn slices_go_to_other_threads() {
    let mut map = anonymous(4 * page());
    thread::scope(|scope| {
        for (index, chunk) in map.chunks_mut(page()).enumerate() {
            scope.spawn(move || chunk.fill(index as u8));
        }
    });
    let sum = thread::scope(|scope| {
        let sums = map
            .chunks(page())
            .map(|chunk| scope.spawn(|| chunk.iter().map(|&b| usize::from(b)).sum::<usize>()));
        sums.collect::<Vec<_>>()
            .into_iter()
            .map(|sum| sum.join().unwrap())
            .sum::<usize>()
    });
    assert_eq!(sum, (1 + 2 + 3) * page());
    // And the map itself.
    let map = thread::spawn(move || map).join().unwrap();
    assert_eq!(map[3 * page()], 3);
}

#[test]
fn an_empty_map_is_an_empty_slice() {
    let mut map = anonymous(0);
    assert_eq!(map.as_slice(), b"");
    assert_eq!(map.as_mut_slice(), b"");
    assert_eq!(map.iter().count(), 0);
    assert_eq!(core::str::from_utf8(&map).unwrap(), "");
}
