//! What is in memory of a range: the runs that the kernel tells, and that they end where the range does.
#![allow(clippy::single_range_in_vec_init, reason = "a run is a range")]

use core::ops::{Bound, Range};

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::perms::Permissions;
use mmarinus::{Advice, Errno, Map, perms};

use crate::common::{anonymous, disk_file, memory_file, page};

/// The runs of a range.
fn runs<P: Permissions, K: Kind, B: Backing<K>>(
    map: &Map<P, K, B>,
    range: Range<usize>,
) -> Vec<Range<usize>> {
    let mut residency = map.residency(range).expect("a range in the map");
    let runs = residency
        .by_ref()
        .map(|run| run.expect("an answer"))
        .collect();
    assert!(residency.next().is_none());
    runs
}

/// Memory of which some pages are there.
fn with_pages(len: usize, pages: &[usize]) -> Map<perms::ReadWrite> {
    let mut map = anonymous(len * page());
    map.advise(.., Advice::NOHUGEPAGE).unwrap();
    for index in pages {
        map[index * page()] = 1;
    }
    map
}

#[test]
fn runs_are_as_long_as_they_can_be() {
    let map = with_pages(10, &[1, 2, 3, 5, 9]);
    let page = page();
    assert_eq!(
        runs(&map, 0..map.len()),
        [page..4 * page, 5 * page..6 * page, 9 * page..10 * page]
    );
    assert_eq!(runs(&map, 4 * page..5 * page), []);
    assert_eq!(runs(&map, 5 * page..5 * page), []);
    assert!(runs(&anonymous(0), 0..0).is_empty());
}

#[test]
fn runs_are_cut_to_the_range() {
    let map = with_pages(4, &[1, 2]);
    let page = page();
    assert_eq!(runs(&map, page + 5..2 * page + 7), [page + 5..2 * page + 7]);
    assert_eq!(runs(&map, 2 * page - 1..2 * page), [2 * page - 1..2 * page]);
    assert_eq!(runs(&map, 1..3 * page + 1), [page..3 * page]);
    // A map that starts and ends inside a page.
    let file = memory_file(3 * page);
    let map = Map::bytes(2 * page)
        .from(&file, 10)
        .with(perms::Read)
        .unwrap();
    assert_eq!(runs(&map, 0..2 * page), [0..2 * page]);
    assert_eq!(runs(&map, page - 11..page - 9), [page - 11..page - 9]);
}

#[test]
fn runs_go_on_beyond_one_question() {
    let there: Vec<usize> = (3..200).chain([255, 256, 320]).collect();
    let map = with_pages(400, &there);
    let page = page();
    let expected = [
        3 * page..200 * page,
        255 * page..257 * page,
        320 * page..321 * page,
    ];
    assert_eq!(runs(&map, 0..map.len()), expected);
    assert_eq!(runs(&map, 64 * page..128 * page), [64 * page..128 * page]);
}

#[test]
fn a_file_is_in_the_page_cache_before_it_is_touched() {
    let file = disk_file(8 * page());
    let map = Map::bytes(8 * page())
        .from(&file, 0)
        .with(perms::Read)
        .unwrap();
    assert_eq!(map.stats().unwrap().resident(), 0);
    assert_eq!(runs(&map, 0..map.len()), [0..8 * page()]);
}

#[test]
fn neighbours_are_not_told() {
    let map = with_pages(6, &[0, 1, 2, 3, 4, 5]);
    let (_one, rest) = map.split(2 * page()).unwrap();
    let (two, _three) = rest.split(2 * page()).unwrap();
    assert_eq!(runs(&two, 0..2 * page()), [0..2 * page()]);
}

#[test]
fn ranges_outside_are_refused() {
    let map = anonymous(2 * page());
    let len = map.len();
    for range in [
        0..len + 1,
        len + 1..len + 1,
        0..usize::MAX,
        usize::MAX..usize::MAX,
    ] {
        assert_eq!(map.residency(range).unwrap_err().errno(), Errno::INVAL);
    }
    let all = (Bound::Excluded(usize::MAX), Bound::Unbounded);
    assert_eq!(map.residency(all).unwrap_err().errno(), Errno::INVAL);
}

#[test]
fn another_thread_may_listen() {
    let map = with_pages(3, &[1]);
    let residency = map.residency(..).unwrap();
    let count = std::thread::scope(|scope| scope.spawn(|| residency.count()).join().unwrap());
    assert_eq!(count, 1);
}
