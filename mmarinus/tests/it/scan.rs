//! Looking at pages one by one.
#![allow(
    clippy::single_range_in_vec_init,
    reason = "a list of ranges that has one"
)]

use core::ops::Range;

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::perms::Permissions;
use mmarinus::scan::PageCategories as Is;
use mmarinus::{Errno, Map, Private, perms};
use mmarinus_sys::Support;

use crate::common::{anonymous, file_map, page};
use crate::raw::{self, Call};
use crate::testing::{in_child, needs, skip};

/// The ranges of the pages that are of some kind.
fn found<P: Permissions, K: Kind, B: Backing<K>>(
    map: &Map<P, K, B>,
    range: Range<usize>,
    kinds: Is,
) -> Vec<Range<usize>> {
    let pages = map.scan(range, kinds).expect("pages");
    pages.map(|pages| pages.expect("a range").0).collect()
}

#[test]
fn pages_that_are_there_are_found() {
    needs!(pagemap_scan);
    let page = page();
    let mut map = anonymous(100 * page);
    for index in [0, 3, 4, 99] {
        map[index * page + 7] = 1;
    }
    let all = 0..map.len();
    assert_eq!(
        found(&map, all.clone(), Is::PRESENT),
        [0..page, 3 * page..5 * page, 99 * page..100 * page]
    );
    // A range rounds outward, and no further.
    let few = 3 * page + 1..3 * page + 2;
    assert_eq!(found(&map, few, Is::PRESENT), [3 * page..4 * page]);
    assert_eq!(found(&map, page..3 * page, Is::PRESENT), []);
    assert_eq!(found(&map, 5..5, Is::empty()), []);
    // All pages are told if no kind is named.
    let whole: usize = found(&map, all, Is::empty()).iter().map(Range::len).sum();
    assert_eq!(whole, map.len());
}

#[test]
fn more_pages_than_one_call_tells_are_found() {
    needs!(pagemap_scan);
    let page = page();
    let mut map = anonymous(400 * page);
    map.advise(.., mmarinus::Advice::NOHUGEPAGE).unwrap();
    for index in (0..400).step_by(2) {
        map[index * page] = 1;
    }
    let every_second: Vec<_> = (0..400)
        .step_by(2)
        .map(|index| index * page..(index + 1) * page)
        .collect();
    assert_eq!(found(&map, 0..map.len(), Is::PRESENT), every_second);
}

#[test]
fn the_kinds_of_pages_are_told() {
    needs!(pagemap_scan);
    let page = page();
    let map = file_map(3 * page, Private);
    let mut bytes = vec![0; 3 * page];
    map.read_at(0, &mut bytes).unwrap();
    for pages in map.scan(.., Is::PRESENT).unwrap() {
        let (_, is) = pages.unwrap();
        assert!(is.contains(Is::PRESENT | Is::FILE), "{is:?}");
        // Nobody tracks its writes, so nothing is said of them.
        assert!(!is.intersects(Is::WRITTEN | Is::SWAPPED), "{is:?}");
    }
    assert_eq!(found(&map, 0..3 * page, Is::WRITTEN), []);
}

#[test]
fn guards_are_told_where_the_kernel_shows_them() {
    let page = page();
    let mut map = anonymous(3 * page);
    if !Support::file_guard_regions() && Support::pagemap_scan() {
        let error = map.scan(.., Is::GUARD).unwrap_err();
        assert_eq!(error.errno(), Errno::OPNOTSUPP);
    }
    needs!(file_guard_regions);
    raw::install_guards(&mut map, page..2 * page).unwrap();
    let guards: Vec<_> = map.scan(.., Is::GUARD).unwrap().collect();
    assert!(
        matches!(&guards[..], [Ok((bytes, is))] if *bytes == (page..2 * page) && is.contains(Is::GUARD))
    );
}

#[test]
fn bytes_of_a_map_that_starts_within_a_page_are_told() {
    needs!(pagemap_scan);
    let page = page();
    let file = crate::common::disk_file(3 * page);
    let map = Map::bytes(page)
        .anywhere()
        .from(&file, 100)
        .with(perms::Read)
        .unwrap();
    let mut bytes = vec![0; page];
    map.read_at(0, &mut bytes).unwrap();
    assert_eq!(found(&map, 0..page, Is::PRESENT), [0..page]);
}

#[test]
fn ranges_outside_are_refused() {
    let map = anonymous(page());
    for range in [0..usize::MAX, usize::MAX..usize::MAX, 0..page() + 1] {
        assert_eq!(
            map.scan(range, Is::PRESENT).unwrap_err().errno(),
            Errno::INVAL
        );
    }
    let empty = Map::bytes(0).anonymously().with(perms::Read).unwrap();
    assert_eq!(empty.scan(.., Is::PRESENT).unwrap().count(), 0);
}

#[test]
fn an_older_kernel_says_so() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        raw::forbid(&[Call::Ioctl], Errno::NOTTY).unwrap();
        let map = anonymous(page());
        let error = map.scan(.., Is::PRESENT).unwrap_err();
        assert_eq!(error.errno(), Errno::OPNOTSUPP);
        assert!(error.to_string().contains("6.7"), "{error}");
        let error = map.track_writes().unwrap_err();
        assert_eq!(error.errno(), Errno::OPNOTSUPP);
        assert!(error.to_string().contains("6.7"), "{error}");
        assert_eq!(error.into_map().expect("the map comes back").len(), page());
    });
    assert!(status.success());
}
