//! Views: parts of maps, in pieces, from other threads, and writing by `&self`.

use core::ops::Bound;
use std::thread;

use mmarinus::backing::{Backing, Unsliced, Written};
use mmarinus::kind::Kind;
use mmarinus::{Errno, Map, Private, Shared, View, perms};

use crate::common::{anonymous, bytes_of, disk_file, exposed, file_map, page, patterned, shared};
use crate::raw::present;

#[test]
fn a_view_is_a_part() {
    let map = file_map(2 * page(), Private);
    let view = map.view(100..300).unwrap();
    assert_eq!(
        (view.len(), view.is_empty(), view.addr()),
        (200, false, map.addr() + 100)
    );
    assert_eq!(view.as_ptr().addr(), view.addr());
    assert_eq!(view.permissions(), map.permissions());
    let mut bytes = [0; 10];
    view.read_at(5, &mut bytes).unwrap();
    assert_eq!(bytes[..], patterned(105, 10));
    let part = view.sub(50..).unwrap();
    assert_eq!((part.len(), part.addr()), (150, map.addr() + 150));
    let copy = part;
    assert_eq!(copy.sub(..=0).unwrap().len(), 1);
    part.read_at(140, &mut bytes).unwrap();
    assert_eq!(bytes[..], patterned(290, 10));
}

#[test]
fn what_is_outside_of_the_view_is_outside() {
    let map = shared(page());
    let view = map.view(100..200).unwrap();
    for (offset, len) in [
        (100, 1),
        (101, 0),
        (99, 2),
        (0, 101),
        (usize::MAX, 1),
        (usize::MAX - 50, 100),
    ] {
        let fault = view.read_at(offset, &mut vec![0; len]).unwrap_err();
        assert_eq!((fault.errno(), fault.offset()), (Errno::INVAL, offset));
        assert_eq!(
            view.write_at(offset, &vec![0; len]).unwrap_err().errno(),
            Errno::INVAL
        );
    }
    assert_eq!(view.sub(50..150).unwrap_err().errno(), Errno::INVAL);
}

#[test]
fn ranges_are_checked_without_overflow() {
    let map = anonymous(page());
    let len = map.len();
    for range in [
        (Bound::Included(0), Bound::Excluded(len + 1)),
        (Bound::Included(0), Bound::Included(len)),
        (Bound::Included(len + 1), Bound::Unbounded),
        (Bound::Excluded(len), Bound::Unbounded),
        (Bound::Excluded(usize::MAX), Bound::Unbounded),
        (Bound::Unbounded, Bound::Included(usize::MAX)),
        (Bound::Included(usize::MAX), Bound::Excluded(usize::MAX)),
        (Bound::Included(5), Bound::Excluded(4)),
        (Bound::Included(1 << 40), Bound::Excluded(0)),
    ] {
        let error = map.view(range).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::INVAL, "view"),
            "{range:?}"
        );
        assert!(error.to_string().contains("lie in the map"), "{error}");
    }
    for (range, expected) in [
        ((Bound::Included(len), Bound::Unbounded), 0),
        ((Bound::Excluded(len - 1), Bound::Unbounded), 0),
        ((Bound::Unbounded, Bound::Included(len - 1)), len),
        ((Bound::Excluded(0), Bound::Excluded(2)), 1),
    ] {
        assert_eq!(map.view(range).unwrap().len(), expected, "{range:?}");
    }
    assert_eq!(map.view(..).unwrap().len(), len);
}

#[test]
fn chunks_are_all_of_it() {
    let map = file_map(2 * page(), Shared);
    let view = map.view(10..10 + 1000).unwrap();
    for size in [
        1,
        3,
        999,
        1000,
        1001,
        page(),
        isize::MAX as usize,
        usize::MAX,
    ] {
        let chunks = view.chunks(size);
        assert_eq!(chunks.len(), 1000_usize.div_ceil(size));
        let mut all = Vec::new();
        for chunk in chunks {
            assert!(chunk.len() <= size && !chunk.is_empty());
            let mut bytes = vec![0; chunk.len()];
            assert_eq!(chunk.copy_to(&mut bytes).unwrap(), chunk.len());
            all.extend(bytes);
        }
        assert_eq!(all, patterned(10, 1000));
    }
    assert_eq!(map.view(5..5).unwrap().chunks(7).len(), 0);
    let panic = std::panic::catch_unwind(|| map.view(..).unwrap().chunks(0).len());
    assert!(panic.is_err(), "chunks of nothing never end");
}

#[test]
fn copy_to_takes_what_both_have() {
    let map = file_map(page(), Private);
    let view = map.view(20..30).unwrap();
    let mut long = [9; 15];
    assert_eq!(view.copy_to(&mut long).unwrap(), 10);
    assert_eq!(long[..10], patterned(20, 10));
    assert_eq!(long[10..], [9; 5]);
    let mut short = [9; 3];
    assert_eq!(view.copy_to(&mut short).unwrap(), 3);
    assert_eq!(short[..], patterned(20, 3));
    assert_eq!(view.copy_to(&mut []).unwrap(), 0);
}

#[test]
fn copy_to_says_where_it_stopped() {
    let file = disk_file(3 * page());
    let map = Map::bytes(3 * page())
        .from(&file, 0)
        .with(perms::Read)
        .unwrap();
    file.set_len(page() as u64).unwrap();
    let view = map.view(page() - 10..).unwrap();
    let fault = view.copy_to(&mut vec![0; page()]).unwrap_err();
    assert_eq!(
        (fault.errno(), fault.copied(), fault.offset()),
        (Errno::FAULT, 10, 10)
    );
}

/// Asserts that threads which write through one view at the same time each leave their bytes.
fn assert_written_by_threads<K: Kind, B>(map: Map<perms::ReadWrite, K, B>)
where
    B: Backing<K> + Unsliced<K> + Written<K>,
{
    let part = map.len() / 4;
    let view = map.view(..).unwrap();
    thread::scope(|scope| {
        for thread in 0..4_usize {
            scope.spawn(move || {
                for round in 0..50_u8 {
                    let bytes = vec![round * 4 + thread as u8; part];
                    view.write_at(thread * part, &bytes).unwrap();
                    let mut back = vec![0; part];
                    view.read_at(thread * part, &mut back).unwrap();
                    assert_eq!(back, bytes, "nobody else writes this part");
                }
            });
        }
    });
    for thread in 0..4 {
        let bytes = &bytes_of(&map)[thread * part..(thread + 1) * part];
        assert!(bytes.iter().all(|&byte| byte == 49 * 4 + thread as u8));
    }
    // And all of them on the same bytes: whoever reads sees what somebody wrote.
    view.write_at(0, &vec![1; map.len()]).unwrap();
    thread::scope(|scope| {
        for thread in 1..5_u8 {
            scope.spawn(move || {
                for _ in 0..50 {
                    view.write_at(1, &vec![thread; part]).unwrap();
                    let mut back = vec![0; part];
                    view.read_at(1, &mut back).unwrap();
                    assert!(back.iter().all(|byte| (1..5).contains(byte)), "{back:?}");
                }
            });
        }
    });
}

#[test]
fn views_write_from_several_threads() {
    for len in [page(), 4 * page()] {
        assert_written_by_threads(shared(len));
        assert_written_by_threads(exposed(len));
        assert_written_by_threads(file_map(len, Private));
        assert_written_by_threads(file_map(len, Shared));
        assert_written_by_threads(present(len, Shared, perms::ReadWrite));
    }
}

#[test]
fn a_view_below_rung_3_writes() {
    let file = disk_file(page());
    let map = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let view = map.view(10..20).unwrap();
    view.write_at(3, b"hello").unwrap();
    let mut bytes = patterned(0, page());
    bytes[13..18].copy_from_slice(b"hello");
    assert_eq!(bytes_of(&map), bytes);
}

#[test]
fn a_view_of_rung_3_lends_a_slice() {
    let mut map = anonymous(page());
    map[10..15].copy_from_slice(b"hello");
    let view: View<'_, _, _, _> = map.view(10..15).unwrap();
    let bytes: &[u8] = view.as_slice();
    assert_eq!(bytes, b"hello");
    // The slice lives as long as the map is borrowed, not as long as the view.
    let slice = {
        let part = view.sub(1..3).unwrap();
        part.as_slice()
    };
    assert_eq!(slice, b"el");
}

#[test]
fn views_say_what_they_are() {
    let map = shared(page());
    let text = format!("{:?}", map.view(1..3).unwrap());
    let address = format!("{:#x}", map.addr() + 1);
    for part in [
        "View",
        &address,
        "len: 2",
        "ReadWrite",
        "Shared",
        "Anonymous",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
