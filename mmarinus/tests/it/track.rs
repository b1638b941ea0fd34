//! Which pages of a map were written.
#![allow(
    clippy::single_range_in_vec_init,
    reason = "a list of ranges that has one"
)]

use core::ops::Range;

use mmarinus::backing::{Backing, Written};
use mmarinus::kind::Kind;
use mmarinus::perms::Permissions;
use mmarinus::scan::PageCategories as Is;
use mmarinus::{Advice, Errno, HugePage, Map, Private, Shared, Tracked, perms};
use mmarinus_sys::Support;
use rustix::process::Resource;

use crate::common::{
    anonymous, disk_file, exposed, file_map, limit, memory_file, open_descriptors, page, shared,
    without_privileges,
};
use crate::testing::{in_child, needs, skip};

/// The ranges that were written, sorted and taken.
fn taken<P: Permissions, K: Kind, B: Backing<K>>(
    map: &Tracked<Map<P, K, B>>,
    range: Range<usize>,
) -> Vec<Range<usize>> {
    let dirty = map.take_dirty(range).expect("a tracked map");
    let mut ranges: Vec<_> = dirty.map(|range| range.expect("a range")).collect();
    ranges.sort_by_key(|range| range.start);
    ranges
}

/// The indices of the pages that were written.
fn pages<P: Permissions, K: Kind, B: Backing<K>>(map: &Tracked<Map<P, K, B>>) -> Vec<usize> {
    let size = map.page_size();
    let ranges = taken(map, 0..map.len());
    ranges
        .iter()
        .flat_map(|range| range.start / size..range.end.div_ceil(size))
        .collect()
}

/// Writes, and sees just that told, once.
fn tells_writes<K: Kind, B: Written<K>>(map: Map<perms::ReadWrite, K, B>) -> bool {
    let mut map = map.track_writes().expect("tracking");
    assert_eq!(pages(&map), [0_usize; 0]);
    let mut byte = [0];
    let size = map.page_size();
    map.read_at(size, &mut byte).unwrap();
    assert_eq!(pages(&map), [0_usize; 0], "reading is not writing");
    for index in [1, 2, 5] {
        map.write_at(index * size, &[7]).unwrap();
    }
    assert_eq!(pages(&map), [1, 2, 5]);
    assert_eq!(pages(&map), [0_usize; 0], "each is told once");
    map.write_at(2 * size + 9, &[8]).unwrap();
    assert_eq!(taken(&map, 3 * size..map.len()), []);
    assert_eq!(taken(&map, 2 * size..3 * size), [2 * size..3 * size]);
    map.write_at(0, &[9]).unwrap();
    let mut map = map.into_map();
    map.write_at(size, &[10]).unwrap();
    map.read_at(2 * size + 9, &mut byte).unwrap();
    byte == [8]
}

#[test]
fn writes_to_any_memory_are_told() {
    needs!(wp_async);
    let len = 8 * page();
    assert!(tells_writes(anonymous(len)));
    assert!(tells_writes(exposed(len)));
    assert!(tells_writes(shared(len)));
    assert!(tells_writes(file_map(len, Private)));
    assert!(tells_writes(file_map(len, Shared)));
    for file in [memory_file(len), disk_file(len)] {
        let map = Map::bytes(len).anywhere().from(&file, 0);
        assert!(tells_writes(
            map.with_kind(Shared).with(perms::ReadWrite).unwrap()
        ));
    }
    // Pages that are there already.
    let mut map = anonymous(len);
    map.fill(1);
    assert!(tells_writes(map));
}

#[test]
fn secret_memory_is_tracked() {
    needs!(wp_async);
    needs!(memfd_secret);
    let map = Map::bytes(8 * page())
        .secret()
        .with(perms::ReadWrite)
        .unwrap();
    let mut map = map.track_writes().unwrap();
    map.fill(0);
    assert_eq!(pages(&map).len(), 8);
    map[page()] = 1;
    assert_eq!(pages(&map), [1]);
}

#[test]
fn huge_pages_are_told_whole() {
    needs!(wp_async);
    needs!(huge_2mb);
    let size = 2 << 20;
    let map = Map::bytes(size)
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB);
    let Ok(map) = map.with(perms::ReadWrite) else {
        skip!("another test has the huge pages");
    };
    let mut map = map.track_writes().unwrap();
    assert_eq!(taken(&map, 0..size), []);
    map[5 * page()] = 1;
    assert_eq!(map.take_dirty(..page()).unwrap_err().errno(), Errno::INVAL);
    assert_eq!(taken(&map, 0..size), [0..size]);
    assert_eq!(taken(&map, 0..size), []);
}

#[test]
fn a_transparent_huge_page_is_told_in_small_pages() {
    needs!(wp_async);
    let Some(huge) = Support::thp_size() else {
        skip!("the kernel has no transparent huge pages");
    };
    let map = Map::bytes(2 * huge).aligned_to(huge).anonymously();
    let mut map = map.with(perms::ReadWrite).unwrap();
    map.advise(.., Advice::HUGEPAGE).unwrap();
    map.fill(1);
    if map.stats().unwrap().huge() != Some(2 * huge) {
        skip!("the kernel had no huge page");
    }
    let mut map = map.track_writes().unwrap();
    assert_eq!(pages(&map), [0_usize; 0]);
    map[7 * page()] = 2;
    assert_eq!(taken(&map, 0..2 * huge), [7 * page()..8 * page()]);
    assert_eq!(map[8 * page()], 1);
    // The other one is still whole. Given back, its bytes are others though nobody wrote.
    map.discard(huge..).unwrap();
    assert_eq!(map[huge], 0);
    let told: usize = taken(&map, 0..2 * huge).iter().map(Range::len).sum();
    assert_eq!(told, huge);
    assert_eq!(pages(&map), [0_usize; 0]);
    map[huge] = 1;
    assert!(pages(&map).contains(&(huge / page())));
}

#[test]
fn pages_given_back_are_told() {
    needs!(wp_async);
    let mut map = anonymous(4 * page());
    map.fill(1);
    let mut map = map.track_writes().unwrap();
    map.discard(page()..2 * page()).unwrap();
    assert_eq!(pages(&map), [1]);
    assert_eq!(pages(&map), [0_usize; 0]);
}

#[test]
fn what_is_not_taken_out_stays_written() {
    needs!(wp_async);
    let page = page();
    let map = anonymous(200 * page);
    map.advise(.., Advice::NOHUGEPAGE).unwrap();
    let mut map = map.track_writes().unwrap();
    let odd: Vec<_> = (1..200).step_by(2).collect();
    for index in &odd {
        map[index * page] = 1;
    }
    let first = map.take_dirty(..).unwrap().next().unwrap().unwrap();
    assert_eq!(first, page..2 * page);
    let mut rest = map.take_dirty(..).unwrap();
    let next = rest
        .by_ref()
        .take(40)
        .map(|range| range.unwrap().start / page);
    assert_eq!(next.collect::<Vec<_>>(), odd[1..41]);
    drop(rest);
    assert_eq!(pages(&map), odd[41..]);
    assert_eq!(pages(&map), [0_usize; 0]);
}

#[test]
fn a_scan_looks_without_taking() {
    needs!(wp_async);
    let mut map = anonymous(4 * page()).track_writes().unwrap();
    map[3 * page()] = 1;
    for _ in 0..2 {
        let written = map.scan(.., Is::WRITTEN).unwrap();
        let written: Vec<_> = written.map(|pages| pages.unwrap().0).collect();
        assert_eq!(written, [3 * page()..4 * page()]);
    }
    assert_eq!(pages(&map), [3]);
}

#[test]
fn neighbours_are_not_touched() {
    needs!(wp_async);
    let (first, rest) = anonymous(6 * page()).split(2 * page()).unwrap();
    let (middle, last) = rest.split(2 * page()).unwrap();
    let (mut first, mut last) = (first, last);
    let mut middle = middle.track_writes().unwrap();
    first.fill(1);
    last.fill(2);
    middle[page()] = 3;
    assert_eq!(taken(&middle, 0..2 * page()), [page()..2 * page()]);
    for neighbour in [&first, &last] {
        let is = neighbour.scan(.., Is::empty()).unwrap();
        assert!(
            is.into_iter()
                .all(|pages| !pages.unwrap().1.contains(Is::WPALLOWED))
        );
    }
    // A neighbour of its own, tracked as well, keeps what was written to it.
    let mut last = last.track_writes().unwrap();
    last[0] = 1;
    assert_eq!(pages(&middle), [0_usize; 0]);
    assert_eq!(pages(&last), [0]);
    let whole = first
        .join(middle.into_map())
        .unwrap()
        .join(last.into_map())
        .unwrap();
    assert_eq!(
        whole[..3 * page()]
            .iter()
            .map(|&byte| byte as usize)
            .sum::<usize>(),
        2 * page()
    );
}

#[test]
fn changes_keep_the_tracking_or_end_it() {
    needs!(wp_async);
    let mut map = anonymous(4 * page()).track_writes().unwrap();
    map[0] = 1;
    let map = map.reprotect(perms::None).unwrap();
    let map = map.reprotect(perms::ReadWrite).unwrap();
    let error = map.split(100).unwrap_err();
    let map = error.into_map().unwrap();
    let (mut first, mut second) = map.split(2 * page()).unwrap();
    second[page()] = 1;
    assert_eq!((pages(&first), pages(&second)), (vec![0], vec![1]));
    first[page()] = 1;
    drop(second);
    assert_eq!(pages(&first), [1]);
    let map = first.into_map().resize(8 * page()).unwrap();
    let mut map = map.track_writes().unwrap();
    map[7 * page()] = 1;
    assert_eq!(pages(&map), [7]);
}

#[test]
fn a_map_that_was_exchanged_is_not_tracked() {
    needs!(wp_async);
    let mut map = anonymous(page()).track_writes().unwrap();
    let mut other = anonymous(page());
    core::mem::swap(&mut *map, &mut other);
    other[0] = 1;
    map[0] = 2;
    let error = map.take_dirty(..).unwrap_err();
    assert_eq!(error.errno(), Errno::PERM);
    assert!(error.to_string().contains("not tracked"), "{error}");
    drop(map);
    assert_eq!(other[0], 1);
    other[0] = 3;
}

#[test]
fn what_cannot_be_tracked_comes_back() {
    needs!(wp_async);
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(page() as u64).unwrap();
    let file = std::fs::File::open(file.path()).unwrap();
    let map = Map::bytes(page()).from(&file, 0).with_kind(Shared);
    let error = map.with(perms::Read).unwrap().track_writes().unwrap_err();
    assert_eq!(error.errno(), Errno::PERM);
    assert_eq!(error.into_map().unwrap().len(), page());

    let uffd = anonymous(page()).track_writes().unwrap();
    drop(uffd);
    let empty = Map::bytes(0).anonymously().with(perms::ReadWrite).unwrap();
    let empty = empty.track_writes().unwrap();
    assert_eq!(pages(&empty), [0_usize; 0]);
    assert!(empty.into_map().is_empty());
}

#[test]
fn droppable_memory_is_refused_or_tracked() {
    needs!(wp_async);
    needs!(droppable);
    let map = Map::bytes(page())
        .anonymously()
        .droppable()
        .with(perms::ReadWrite);
    match map.unwrap().track_writes() {
        // The kernels before some one refuse nothing.
        Ok(map) => assert_eq!(map.into_map().len(), page()),
        Err(error) => {
            assert_eq!(error.errno(), Errno::INVAL);
            assert!(error.to_string().contains("droppable"), "{error}");
        }
    }
}

#[test]
fn ranges_that_are_no_pages_are_refused() {
    needs!(wp_async);
    let map = anonymous(2 * page()).track_writes().unwrap();
    for range in [0..16, 16..page(), 0..2 * page() + 1, usize::MAX..usize::MAX] {
        assert_eq!(map.take_dirty(range).unwrap_err().errno(), Errno::INVAL);
    }
    let mut map = anonymous(page() + 10).track_writes().unwrap();
    map[page() + 1] = 1;
    assert_eq!(taken(&map, page()..page() + 10), [page()..page() + 10]);
    assert_eq!(map.take_dirty(5..5).unwrap().count(), 0);
}

#[test]
fn tracking_needs_no_privilege_and_leaks_nothing() {
    needs!(wp_async);
    without_privileges(|| assert!(tells_writes(anonymous(8 * page()))));
    let status = in_child!({
        let before = open_descriptors();
        let map = anonymous(page()).track_writes().unwrap();
        assert_eq!(open_descriptors(), before + 2);
        let map = map.into_map();
        assert_eq!(open_descriptors(), before);
        limit(Resource::Nofile, 3);
        let error = map.track_writes().unwrap_err();
        assert_eq!(error.errno(), Errno::MFILE);
        assert_eq!(error.into_map().unwrap().len(), page());
    });
    assert!(status.success());
}

#[test]
fn no_write_of_another_thread_is_missed() {
    needs!(wp_async);
    let count = 16;
    let map = shared(count * page());
    let map = map.track_writes().unwrap();
    let view = map.view(..).unwrap();
    let mut copy = vec![0; map.len()];
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for round in 0..4000_usize {
                let at = round * 7 % count * page() + round % 100;
                view.write_at(at, &[(round % 251) as u8]).unwrap();
            }
        });
        while !writer.is_finished() {
            for range in map.take_dirty(..).unwrap() {
                let range = range.unwrap();
                map.read_at(range.start, &mut copy[range]).unwrap();
            }
        }
    });
    for range in taken(&map, 0..map.len()) {
        map.read_at(range.start, &mut copy[range]).unwrap();
    }
    assert!(
        copy == crate::common::bytes_of(&*map),
        "a copy of what was told is a copy of all"
    );
}
