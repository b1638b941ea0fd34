//! Numbers that overflow: lengths past `isize::MAX`, cuts past the end, ranges that wrap, page 0 and no bytes at all.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU8, AtomicU64};

use mmarinus::backing::{Backing, Written};
use mmarinus::kind::Kind;
use mmarinus::{Errno, Map, Private, Shared, perms};

use crate::common::{anonymous, bytes_of, disk_file, file_map, is_root, page, shared};
use crate::testing::{skip, sound};

/// Numbers around every limit that arithmetic can cross.
fn numbers(len: usize) -> Vec<usize> {
    let mut numbers = vec![];
    for base in [
        0,
        1,
        len,
        page(),
        isize::MAX as usize,
        isize::MIN as usize,
        usize::MAX - page(),
        usize::MAX,
    ] {
        for off in 0..3 {
            numbers.extend([base.wrapping_add(off), base.wrapping_sub(off)]);
        }
    }
    numbers
}

#[test]
fn no_slice_is_longer_than_rust_allows() {
    let half = isize::MAX as usize;
    for size in [
        half - 4095,
        half - 1,
        half,
        half + 1,
        half + page(),
        usize::MAX - 4095,
        usize::MAX,
    ] {
        for error in [
            Map::bytes(size)
                .anonymously()
                .no_reserve()
                .with(perms::ReadWrite)
                .unwrap_err(),
            Map::bytes(size)
                .anonymously()
                .with_kind(Shared)
                .with(perms::Read)
                .unwrap_err(),
            Map::bytes(size)
                .from(&disk_file(1), 1)
                .with(perms::None)
                .unwrap_err(),
        ] {
            assert!(
                [Errno::NOMEM, Errno::OVERFLOW].contains(&error.errno()),
                "{error}"
            );
        }
    }
    if usize::BITS == 32 {
        // There the kernel would have the room.
        let error = Map::bytes(3 << 30)
            .anonymously()
            .no_reserve()
            .with(perms::Read)
            .unwrap_err();
        assert!(error.to_string().contains("isize::MAX"), "{error}");
    }
}

#[test]
fn a_cut_never_wraps() {
    sound!({
        let mut map = anonymous(4 * page());
        map.fill(7);
        for offset in numbers(4 * page()) {
            if offset % page() == 0 && offset <= 4 * page() {
                continue;
            }
            map = map
                .split(offset)
                .unwrap_err()
                .into_map()
                .expect("it comes back");
            let addr = map.addr().wrapping_add(offset);
            map = map
                .split_addr(addr)
                .unwrap_err()
                .into_map()
                .expect("it comes back");
        }
        assert_eq!(map.len(), 4 * page());
        assert!(map.iter().all(|&byte| byte == 7));
    });
}

#[test]
fn no_copy_reaches_outside() {
    fn assert_inside<K: Kind, B: Backing<K> + Written<K>>(mut map: Map<perms::ReadWrite, K, B>) {
        let len = map.len();
        for offset in numbers(len) {
            for size in [0, 1, 2, page(), len, len + 1] {
                let fits = offset <= len && size <= len - offset;
                let mut buffer = vec![1; size];
                assert_eq!(
                    map.read_at(offset, &mut buffer).is_ok(),
                    fits,
                    "{size} from {offset:#x}"
                );
                assert_eq!(
                    map.write_at(offset, &buffer).is_ok(),
                    fits,
                    "{size} to {offset:#x}"
                );
                let end = offset.wrapping_add(size);
                let range = map.view(offset..end);
                assert_eq!(
                    range.is_ok(),
                    offset <= end && end <= len,
                    "{offset:#x}..{end:#x}"
                );
            }
        }
    }
    sound!({
        assert_inside(anonymous(2 * page()));
        assert_inside(shared(page() + 5));
        assert_inside(file_map(2 * page(), Private));
        assert_inside(file_map(page() - 5, Shared));
        assert_inside(anonymous(0));
    });
}

#[test]
fn no_atomic_is_outside() {
    let map = shared(2 * page());
    let len = map.len();
    for start in numbers(len) {
        for end in numbers(len) {
            let fits = start <= end && end <= len;
            assert_eq!(
                map.observe::<AtomicU8>(start..end).is_ok(),
                fits,
                "{start:#x}..{end:#x}"
            );
            assert_eq!(
                map.atomics::<AtomicU8>(start..end).is_ok(),
                fits,
                "{start:#x}..{end:#x}"
            );
        }
    }
    assert_eq!(
        map.observe::<AtomicU8>(..)
            .unwrap()
            .iter()
            .map(|byte| u64::from(byte.load()))
            .sum::<u64>(),
        0
    );
}

#[test]
fn page_zero_is_refused_even_to_root() {
    if !is_root() {
        skip!("only root could map page 0");
    }
    sound!({
        let file = disk_file(10);
        for error in [
            Map::bytes(1)
                .at(0)
                .anonymously()
                .with(perms::ReadWrite)
                .unwrap_err(),
            Map::bytes(2 * page())
                .at(0)
                .anonymously()
                .with_kind(Shared)
                .with(perms::None)
                .unwrap_err(),
            Map::bytes(1)
                .at(1)
                .from(&file, 1)
                .with(perms::Read)
                .unwrap_err(),
        ] {
            assert_eq!(error.errno(), Errno::INVAL, "{error}");
        }
        for hint in [0, 1, page() - 1, page()] {
            let map = Map::bytes(1)
                .near(hint)
                .anonymously()
                .with(perms::Read)
                .unwrap();
            assert_ne!(map.pages().0, 0);
        }
    });
}

#[test]
fn no_bytes_are_a_map_like_any_other() {
    sound!({
        let file = disk_file(0);
        let mut map = anonymous(0);
        assert_eq!((map.as_slice().len(), map.as_mut_slice().len()), (0, 0));
        assert!(!map.as_ptr().is_null());
        assert!(map.atomics_mut::<AtomicU64>(..).unwrap().is_empty());
        map = map
            .reprotect(perms::None)
            .unwrap()
            .reprotect(perms::ReadWrite)
            .unwrap();
        let (one, two) = map.split(0).unwrap();
        let one = one.remap().from(&file, 0).with(perms::Read).unwrap();
        let two = two
            .remap()
            .anonymously()
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        assert!(two.atomics::<AtomicU64>(..).unwrap().is_empty());
        assert_eq!(bytes_of(&one), b"");
        one.unmap().unwrap();
        assert!(two.expose().leak().is_empty());
        // The empty part at the end of a map is at the address of whatever comes next.
        let (mut whole, none) = anonymous(2 * page()).split(2 * page()).unwrap();
        let next = none.addr();
        drop(none.remap().anonymously().with(perms::ReadWrite).unwrap());
        whole.fill(7);
        assert_eq!(whole.addr() + whole.len(), next);
        let (none, whole) = whole.split(0).unwrap();
        none.unmap().unwrap();
        assert!(whole.iter().all(|&byte| byte == 7));
    });
}
