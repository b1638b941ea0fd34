//! Joining neighbours: what fits, what does not, and that both come back.

use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed};

use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Error, Map, Private, ProtFlags, Shared};

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, file_map, is_free, page, patterned, shared,
};
use crate::testing::in_child;

/// Two maps as a failed join gives them back.
fn both<M>(error: Error<(M, M)>) -> (M, M) {
    assert_eq!((error.errno(), error.operation()), (Errno::INVAL, "join"));
    assert!(
        error.to_string().contains("right where the first one ends"),
        "{error}"
    );
    error.into_map().expect("joining loses nothing")
}

#[test]
fn halves_become_one() {
    let map = anonymous(5 * page() - 3);
    let addr = map.addr();
    let (mut one, mut two) = map.split(2 * page()).unwrap();
    one.fill(1);
    two.fill(2);
    let mut map = one.join(two).map_err(both).unwrap();
    assert_eq!((map.addr(), map.len()), (addr, 5 * page() - 3));
    // A slice over the seam, read and written.
    assert_eq!(map[2 * page() - 1..=2 * page()], [1, 2]);
    map[2 * page() - 2..][..4].copy_from_slice(b"over");
    assert_eq!(&map[2 * page() - 2..][..4], b"over");
    let map = map.reprotect(perms::Read).unwrap();
    assert_eq!(
        map.iter().filter(|&&byte| byte == 1).count(),
        2 * page() - 2
    );
    let (one, two) = map.split(3 * page()).unwrap();
    assert_eq!((one.len(), two.len()), (3 * page(), 2 * page() - 3));
}

#[test]
fn the_joined_map_owns_all_pages() {
    let status = in_child!({
        let (one, two) = anonymous(4 * page()).split(page()).unwrap();
        let addr = one.addr();
        let two = two.reprotect(perms::Read).unwrap();
        let two = two.reprotect(perms::ReadWrite).unwrap();
        let map = one.join(two).map_err(both).unwrap();
        map.unmap().unwrap();
        assert!(is_free(addr, 4 * page()));
    });
    assert!(status.success());
}

#[test]
fn what_is_empty_joins_where_it_is() {
    let (none, map) = anonymous(2 * page()).split(0).unwrap();
    let map = none.join(map).map_err(both).unwrap();
    let (map, none) = map.split(2 * page()).unwrap();
    let map = map.join(none).map_err(both).unwrap();
    assert_eq!(map.len(), 2 * page());
    assert!(map.iter().all(|&byte| byte == 0));
    // Nothing that was elsewhere does not.
    let (map, none) = both(map.join(anonymous(0)).unwrap_err());
    let (none, map) = both(none.join(map).unwrap_err());
    assert_eq!((none.len(), map.len()), (0, 2 * page()));
    let (also, none) = none.split(0).unwrap();
    assert!(also.join(none).map_err(both).unwrap().is_empty());
}

#[test]
fn maps_that_do_not_fit_come_back() {
    let (mut one, rest) = anonymous(3 * page()).split(page()).unwrap();
    let (mut two, mut three) = rest.split(page()).unwrap();
    for (value, map) in (1..).zip([&mut one, &mut two, &mut three]) {
        map.fill(value);
    }
    // A gap, the wrong order, and itself again.
    let (one, three) = both(one.join(three).unwrap_err());
    let (two, one) = both(two.join(one).unwrap_err());
    assert_eq!((one[0], two[0], three[0]), (1, 2, 3));
    let (three, two) = both(three.join(two).unwrap_err());
    // Bytes before the second that are nobody's.
    let one = one.resize(page() - 1).unwrap();
    let (one, two) = both(one.join(two).unwrap_err());
    assert_eq!(
        (one.len(), two.len(), one[page() - 2], two[page() - 1]),
        (page() - 1, page(), 1, 2)
    );
    let one = one.resize(page()).unwrap();
    let map = one.join(two).map_err(both).unwrap();
    let map = map.join(three).map_err(both).unwrap();
    let pages: Vec<u8> = map.iter().copied().step_by(page()).collect();
    assert_eq!(pages, [1, 2, 3]);
}

#[test]
fn a_second_map_that_starts_inside_a_page_comes_back() {
    let status = in_child!({
        let file = disk_file(2 * page());
        let (one, two) = file_map(2 * page(), Private).split(page()).unwrap();
        let at = two.addr();
        drop(two);
        let two = Map::bytes(10)
            .at(at + 100)
            .from(&file, 100)
            .with(perms::ReadWrite)
            .unwrap();
        let (one, two) = both(one.join(two).unwrap_err());
        assert_eq!(
            (bytes_of(&one), bytes_of(&two)),
            (patterned(0, page()), patterned(100, 10))
        );
    });
    assert!(status.success());
}

#[test]
fn permissions_known_at_run_time_must_be_the_same() {
    let unknown = |flags| Unknown(flags);
    let (one, two) = anonymous(2 * page()).split(page()).unwrap();
    let one = one.reprotect(unknown(ProtFlags::READ)).unwrap();
    let (one, two) = both(one.join(two.forget_permissions()).unwrap_err());
    assert_eq!(Vma::of(&one).perms, "r--p");
    assert_eq!(Vma::of(&two).perms, "rw-p");
    assert_eq!(two.permissions(), ProtFlags::READ | ProtFlags::WRITE);
    assert_eq!(one.permissions(), ProtFlags::READ);
    let two = two.reprotect(unknown(ProtFlags::READ)).unwrap();
    let map = one.join(two).map_err(both).unwrap();
    assert_eq!(
        (map.len(), map.permissions()),
        (2 * page(), ProtFlags::READ)
    );
}

#[test]
fn atomics_of_two_sizes_do_not_meet() {
    let (one, two) = shared(2 * page()).split(page()).unwrap();
    one.atomics::<AtomicU8>(..).unwrap()[1].store(1, Relaxed);
    two.atomics::<AtomicU32>(..).unwrap()[1].store(2, Relaxed);
    let (one, two) = both(one.join(two).unwrap_err());
    assert_eq!(one.atomics::<AtomicU8>(..).unwrap()[1].load(Relaxed), 1);
    assert_eq!(two.atomics::<AtomicU32>(..).unwrap()[1].load(Relaxed), 2);

    // The size of either half is that of the whole.
    for first in [true, false] {
        let (one, two) = shared(2 * page()).split(page()).unwrap();
        let half = if first { &one } else { &two };
        half.atomics::<AtomicU16>(..).unwrap()[0].store(7, Relaxed);
        let map = one.join(two).map_err(both).unwrap();
        assert!(map.atomics::<AtomicU8>(..).is_err());
        let atomics = map.atomics::<AtomicU16>(..).unwrap();
        assert_eq!(atomics.len(), page());
        assert_eq!(atomics[if first { 0 } else { page() / 2 }].load(Relaxed), 7);
    }
}

#[test]
fn maps_of_different_files_are_one_map() {
    let status = in_child!({
        let files = [disk_file(2 * page()), disk_file(8 * page())];
        let place = Map::bytes(4 * page())
            .anonymously()
            .with(perms::None)
            .unwrap()
            .addr();
        let map = |index: usize, at, offset| {
            Map::bytes(2 * page())
                .at(at)
                .from(&files[index], offset)
                .with_kind(Shared)
                .with(perms::ReadWrite)
                .unwrap()
        };
        let one = map(0, place, 0);
        let two = map(1, place + 2 * page(), 4 * page() as u64);
        let mut map = one.join(two).map_err(both).unwrap();
        let mut expected = patterned(0, 2 * page());
        expected.extend(patterned(4 * page(), 2 * page()));
        assert_eq!(bytes_of(&map), expected);
        // One copy goes to both files.
        map.write_at(2 * page() - 2, b"both").unwrap();
        let mut bytes = [0; 2];
        for (file, offset) in files.iter().zip([2 * page() - 2, 4 * page()]) {
            std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, offset as u64).unwrap();
            assert_eq!(&bytes, if offset < 4 * page() { b"bo" } else { b"th" });
        }
        // The kernel holds two mappings: what works on one alone says so and changes nothing.
        assert_eq!(map.duplicate().unwrap_err().errno(), Errno::FAULT);
        let map = map.resize(5 * page()).unwrap_err().into_map().unwrap();
        let error = map.move_to(place + (1 << 30)).unwrap_err();
        assert_eq!(error.errno(), Errno::FAULT);
        assert!(error.to_string().contains("several mappings"), "{error}");
        let map = error.into_map().unwrap();
        map.sync(..).unwrap();
        let map = map.reprotect(perms::Read).unwrap();
        assert_eq!(Vma::at(place).unwrap().perms, "r--s");
        assert_eq!(Vma::at(place + 2 * page()).unwrap().perms, "r--s");
        let map = map.resize(3 * page()).unwrap();
        assert!(is_free(place + 3 * page(), page()));
        let map = map.resize(page()).unwrap();
        assert_eq!(bytes_of(&map)[..10], patterned(0, 10));
        let _ = map.leak();
        assert!(!is_free(place, page()));
    });
    assert!(status.success());
}
