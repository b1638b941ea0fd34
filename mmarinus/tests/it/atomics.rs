//! Rung 2: atomics and observed integers, their alignment, ranges and width.

use core::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicIsize, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::thread;

use mmarinus::backing::Concurrent;
use mmarinus::kind::Kind;
use mmarinus::{Atomic, Errno, Map, Private, Shared, perms};

use crate::common::{anonymous, bytes_of, disk_file, exposed, page, shared};
use crate::raw::{keep_present, present, stable};

#[test]
fn atomics_are_the_bytes() {
    fn assert_counts<K: Kind, B: Concurrent<K>>(map: Map<perms::ReadWrite, K, B>) {
        let words = map.atomics::<AtomicU64>(..).unwrap();
        assert_eq!(words.len(), map.len() / 8);
        assert_eq!(words.as_ptr().addr(), map.addr());
        words[1].store(0, Relaxed);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        words[1].fetch_add(1, Relaxed);
                    }
                });
            }
        });
        assert_eq!(words[1].load(Relaxed), 4000);
        let mut bytes = [0; 8];
        map.read_at(8, &mut bytes).unwrap();
        assert_eq!(u64::from_ne_bytes(bytes), 4000);
        let part = map.atomics::<AtomicU64>(8..16).unwrap();
        assert_eq!(part[0].load(Relaxed), 4000);
    }
    assert_counts(shared(page()));
    assert_counts(exposed(page()));
    assert_counts(shared(page()).expose());
    assert_counts(present(page(), Private, perms::ReadWrite));
    assert_counts(present(page(), Shared, perms::ReadWrite));
    assert_counts(stable(page(), Shared, perms::ReadWrite).expose());
    assert_counts(stable(page(), Private, perms::ReadWrite).expose());
}

#[test]
fn a_copy_sees_an_atomic_and_an_atomic_sees_a_copy() {
    let map = shared(page());
    let view = map.view(..).unwrap();
    let words = map.atomics::<AtomicU32>(..).unwrap();
    view.write_at(40, &77_u32.to_ne_bytes()).unwrap();
    assert_eq!(words[10].load(Acquire), 77);
    words[11].store(0x0102_0304, Release);
    let mut bytes = [0; 4];
    view.read_at(44, &mut bytes).unwrap();
    assert_eq!(bytes, 0x0102_0304_u32.to_ne_bytes());
}

#[test]
fn ranges_have_to_be_aligned_and_whole() {
    let map = shared(page());
    let len = page();
    for range in [1..9, 4..12, 7..15, len - 7..len - 7] {
        let error = map.atomics::<AtomicU64>(range.clone()).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::INVAL, "atomics")
        );
        assert!(
            error.to_string().contains("multiple of its size"),
            "{range:?}: {error}"
        );
    }
    for range in [0..1, 0..7, 8..17, 0..len - 1] {
        let error = map.atomics::<AtomicU64>(range.clone()).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::INVAL, "atomics")
        );
        assert!(
            error.to_string().contains("whole number"),
            "{range:?}: {error}"
        );
    }
    for range in [
        0..len + 8,
        len + 8..len + 16,
        usize::MAX - 7..usize::MAX,
        1 << 40..1 << 41,
    ] {
        assert_eq!(
            map.atomics::<AtomicU64>(range.clone()).unwrap_err().errno(),
            Errno::INVAL,
            "{range:?}"
        );
        assert_eq!(
            map.observe::<AtomicU64>(range).unwrap_err().errno(),
            Errno::INVAL
        );
    }
    assert_eq!(
        map.atomics::<AtomicU64>(..=usize::MAX).unwrap_err().errno(),
        Errno::INVAL
    );
    for (range, count) in [
        (0..0, 0),
        (len..len, 0),
        (8..8, 0),
        (0..8, 1),
        (len - 8..len, 1),
        (0..len, len / 8),
    ] {
        assert_eq!(map.atomics::<AtomicU64>(range).unwrap().len(), count);
    }
    // What was refused has fixed no width.
    let other = shared(page());
    other.atomics::<AtomicU64>(1..9).unwrap_err();
    other.atomics::<AtomicU64>(0..7).unwrap_err();
    assert_eq!(other.atomics::<AtomicU16>(..).unwrap().len(), page() / 2);
}

#[test]
fn alignment_is_that_of_the_address() {
    // The map starts 12 bytes into a page.
    let file = disk_file(2 * page());
    let map = Map::bytes(page())
        .from(&file, 12)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let map = keep_present(map);
    assert_eq!(map.addr() % 8, 4);
    assert_eq!(
        map.atomics::<AtomicU64>(0..8).unwrap_err().errno(),
        Errno::INVAL
    );
    let words = map.atomics::<AtomicU64>(4..12).unwrap();
    let mut bytes = [0; 8];
    map.read_at(4, &mut bytes).unwrap();
    assert_eq!(words[0].load(Relaxed), u64::from_ne_bytes(bytes));
}

#[test]
fn a_map_has_one_width() {
    fn assert_only<A: Atomic>(width: usize) {
        fn refused<A: Atomic>(map: &Map<perms::ReadWrite, Shared>) -> bool {
            let atomics = map.atomics::<A>(..).map(|_| ());
            let observed = map.observe::<A>(..).map(|_| ());
            match (atomics, observed) {
                (Ok(()), Ok(())) => false,
                (Err(one), Err(two)) => {
                    assert_eq!((one.errno(), two.errno()), (Errno::INVAL, Errno::INVAL));
                    assert!(one.to_string().contains("different sizes"), "{one}");
                    true
                }
                both => panic!("atomics and observe do not agree: {both:?}"),
            }
        }
        assert_eq!(size_of::<A>(), width);
        let map = shared(page());
        assert!(map.atomics::<A>(0..width).is_ok());
        assert_eq!(refused::<AtomicU8>(&map), width != 1);
        assert_eq!(refused::<AtomicI8>(&map), width != 1);
        assert_eq!(refused::<AtomicU16>(&map), width != 2);
        assert_eq!(refused::<AtomicI16>(&map), width != 2);
        assert_eq!(refused::<AtomicU32>(&map), width != 4);
        assert_eq!(refused::<AtomicI32>(&map), width != 4);
        assert_eq!(refused::<AtomicUsize>(&map), width != size_of::<usize>());
        assert_eq!(refused::<AtomicIsize>(&map), width != size_of::<usize>());
        assert!(!refused::<A>(&map));
    }
    assert_only::<AtomicU8>(1);
    assert_only::<AtomicU16>(2);
    assert_only::<AtomicI32>(4);
    assert_only::<AtomicU64>(8);
}

#[test]
fn the_width_stays_with_the_pages() {
    let map = shared(2 * page());
    map.observe::<AtomicU16>(0..2).unwrap();
    let map = map.reprotect(perms::Read).unwrap();
    assert!(map.observe::<AtomicU32>(..).is_err());
    let map = map.reprotect(perms::ReadWrite).unwrap();
    let (one, two) = map.split(page()).unwrap();
    for part in [&one, &two] {
        assert!(part.atomics::<AtomicU8>(..).is_err());
        assert_eq!(part.atomics::<AtomicU16>(..).unwrap().len(), page() / 2);
    }
    let one = one.expose();
    assert!(one.atomics::<AtomicU64>(..).is_err());
    assert!(
        one.forget_permissions()
            .reprotect(perms::Read)
            .unwrap()
            .observe::<AtomicU64>(..)
            .is_err()
    );
    // Other pages have a width of their own.
    let two = two
        .remap()
        .anonymously()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(two.atomics::<AtomicU64>(..).unwrap().len(), page() / 8);
}

#[test]
fn the_width_is_fixed_once_by_many_threads() {
    for _ in 0..100 {
        let map = shared(page());
        let barrier = std::sync::Barrier::new(2);
        let (one, two) = thread::scope(|scope| {
            let one = scope.spawn(|| {
                barrier.wait();
                map.atomics::<AtomicU32>(..).is_ok()
            });
            barrier.wait();
            let two = map.atomics::<AtomicU64>(..).is_ok();
            (one.join().unwrap(), two)
        });
        assert!(one != two, "one of them is first, and the other is refused");
    }
}

#[test]
fn what_is_observed_is_only_loaded() {
    let file = disk_file(page());
    let map = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    let map = keep_present(map);
    let words = map.observe::<AtomicUsize>(..).unwrap();
    assert_eq!(words.len(), page() / size_of::<usize>());
    let before = words[3].load();
    assert_eq!(words[3].load_acquire(), before);
    assert!(format!("{:?}", words[3]).contains(&before.to_string()));
    // Others write it.
    let mut other = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    other
        .write_at(3 * size_of::<usize>(), &usize::MAX.to_ne_bytes())
        .unwrap();
    assert_eq!(words[3].load_acquire(), usize::MAX);
}

#[test]
fn what_was_stored_before_a_release_is_seen_after_an_acquire() {
    let map = shared(page());
    let words = map.atomics::<AtomicU32>(..).unwrap();
    let watched = map.observe::<AtomicU32>(..).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..2000 {
                words[1].store(round, Relaxed);
                words[0].store(round, Release);
            }
        });
        loop {
            let seen = watched[0].load_acquire();
            assert!(watched[1].load() >= seen);
            if seen == 1999 {
                break;
            }
        }
    });
}

#[test]
fn memory_of_ones_own_lends_atomics_by_mut() {
    let mut map = anonymous(page());
    map[0] = 1;
    let bytes = map.atomics_mut::<AtomicU8>(0..4).unwrap();
    thread::scope(|scope| {
        for byte in &*bytes {
            scope.spawn(|| byte.fetch_add(6, Relaxed));
        }
    });
    *bytes[3].get_mut() += 1;
    assert_eq!(map[..4], [7, 6, 6, 7]);
    // One after the other, any width will do: they do not race.
    assert_eq!(map.atomics_mut::<AtomicU64>(..).unwrap().len(), page() / 8);
    assert_eq!(map.atomics_mut::<AtomicU16>(2..6).unwrap().len(), 2);
    for range in [1..9, 0..7, 0..page() + 8, usize::MAX..usize::MAX] {
        assert_eq!(
            map.atomics_mut::<AtomicU64>(range).unwrap_err().errno(),
            Errno::INVAL
        );
    }
    let mut map = stable(page(), Shared, perms::ReadWrite);
    assert_eq!(map.atomics_mut::<AtomicU32>(..).unwrap().len(), page() / 4);
}

#[test]
fn an_empty_map_has_no_atomics() {
    let map = shared(0);
    assert!(map.atomics::<AtomicU64>(..).unwrap().is_empty());
    assert!(map.observe::<AtomicU64>(0..0).unwrap().is_empty());
    assert_eq!(
        map.atomics::<AtomicU64>(0..8).unwrap_err().errno(),
        Errno::INVAL
    );
    assert!(
        anonymous(0)
            .atomics_mut::<AtomicU64>(..)
            .unwrap()
            .is_empty()
    );
    assert_eq!(bytes_of(&map), b"");
}
