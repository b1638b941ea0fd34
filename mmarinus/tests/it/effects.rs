//! Calls that change bytes of whole pages: `discard`, `revert`, `punch_hole`, `free`.

use core::sync::atomic::{AtomicU32, Ordering};
use std::os::unix::fs::FileExt;

use mmarinus::{Errno, Map, Private, Shared, perms};

use crate::common::{
    anonymous, bytes_of, disk_file, exposed, memory_file, page, patterned, shared,
};
use crate::raw::stable;

#[test]
fn discard_zeroes_private_memory_and_no_neighbour() {
    let mut map = anonymous(4 * page());
    map.fill(7);
    map.discard(page()..3 * page()).unwrap();
    assert!(map[..page()].iter().all(|&byte| byte == 7));
    assert!(map[page()..3 * page()].iter().all(|&byte| byte == 0));
    assert!(map[3 * page()..].iter().all(|&byte| byte == 7));
    map.discard(..).unwrap();
    assert!(map.iter().all(|&byte| byte == 0));
}

#[test]
fn discard_of_part_of_a_page_is_refused_and_changes_nothing() {
    let mut map = anonymous(2 * page());
    map.fill(7);
    for range in [
        0..16,
        1..page(),
        page() - 1..page(),
        0..2 * page() - 1,
        page() + 1..2 * page(),
    ] {
        assert_eq!(
            map.discard(range.clone()).unwrap_err().errno(),
            Errno::INVAL,
            "{range:?}"
        );
    }
    for range in [0..2 * page() + 1, usize::MAX..usize::MAX, 0..usize::MAX] {
        assert_eq!(
            map.discard(range.clone()).unwrap_err().errno(),
            Errno::INVAL,
            "{range:?}"
        );
    }
    map.discard(page()..page()).unwrap();
    assert!(map.iter().all(|&byte| byte == 7));
}

#[test]
fn discard_reaches_the_end_of_a_map_that_ends_within_a_page() {
    let mut map = anonymous(page() + 100);
    map.fill(7);
    map.discard(page()..).unwrap();
    assert_eq!((map[page() - 1], map[page()], map[page() + 99]), (7, 0, 0));
}

#[test]
fn discard_takes_locked_pages_too() {
    if !mmarinus_sys::Support::dontneed_locked() {
        crate::testing::skip!("MADV_DONTNEED_LOCKED needs Linux 5.18");
    }
    let mut map = anonymous(page());
    if let Err(error) = map.lock(..) {
        crate::testing::skip!("no right to lock a page: {error}");
    }
    map.fill(7);
    map.discard(..).unwrap();
    assert!(map.iter().all(|&byte| byte == 0));
}

#[test]
fn discard_of_shared_memory_is_seen_by_all_who_share_it() {
    let mut map = shared(2 * page());
    let twin = map.duplicate().unwrap();
    map.write_at(0, &vec![7; 2 * page()]).unwrap();
    map.view(..).unwrap().discard(page()..).unwrap();
    let bytes = bytes_of(&twin);
    assert!(bytes[..page()].iter().all(|&byte| byte == 7));
    assert!(bytes[page()..].iter().all(|&byte| byte == 0));
    map.discard(..).unwrap();
    assert!(bytes_of(&twin).iter().all(|&byte| byte == 0));
}

#[test]
fn shared_memory_that_may_not_be_written_is_not_discarded() {
    let map = shared(page());
    map.view(..).unwrap().write_at(0, b"kept").unwrap();
    let mut map = map.reprotect(perms::Read).unwrap();
    assert_eq!(map.discard(..).unwrap_err().errno(), Errno::ACCESS);
    assert_eq!(&bytes_of(&map)[..4], b"kept");
}

#[test]
fn a_balloon_runs_beside_virtual_cpus() {
    let ram = exposed(64 * page());
    let stop = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let words = ram.atomics::<AtomicU32>(..).unwrap();
            while stop.load(Ordering::Relaxed) == 0 {
                words.iter().for_each(|word| {
                    word.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        let view = ram.view(..).unwrap();
        for round in 0..200 {
            let at = round % 63 * page();
            view.discard(at..at + page()).unwrap();
        }
        stop.store(1, Ordering::Relaxed);
    });
    let view = ram.view(..).unwrap();
    assert_eq!(view.discard(1..page()).unwrap_err().errno(), Errno::INVAL);
    view.discard(..).unwrap();
    assert!(bytes_of(&ram).iter().all(|&byte| byte == 0));
}

#[test]
fn what_was_a_file_is_not_zeroed_by_discard() {
    let mut map = stable(page(), Private, perms::ReadWrite).expose();
    let before = bytes_of(&map);
    assert_eq!(map.discard(..).unwrap_err().errno(), Errno::INVAL);
    assert_eq!(
        map.view(..).unwrap().discard(..).unwrap_err().errno(),
        Errno::INVAL
    );
    assert_eq!(bytes_of(&map), before);
}

#[test]
fn revert_shows_the_file_again() {
    let file = disk_file(2 * page());
    let mut map = Map::bytes(2 * page())
        .from(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    map.write_at(0, &vec![0xff; 2 * page()]).unwrap();
    assert_eq!(map.revert(0..10).unwrap_err().errno(), Errno::INVAL);
    map.revert(page()..).unwrap();
    let bytes = bytes_of(&map);
    assert!(bytes[..page()].iter().all(|&byte| byte == 0xff));
    assert_eq!(bytes[page()..], patterned(page(), page()));
}

#[test]
fn punch_hole_zeroes_the_file_itself() {
    let file = memory_file(3 * page());
    let mut map = Map::bytes(3 * page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    map.punch_hole(page()..2 * page()).unwrap();
    let mut bytes = vec![1; 3 * page()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes[..page()], patterned(0, page()));
    assert!(bytes[page()..2 * page()].iter().all(|&byte| byte == 0));
    assert_eq!(bytes[2 * page()..], patterned(2 * page(), page()));
}

#[test]
fn punch_hole_never_takes_bytes_that_were_not_asked_for() {
    // The map starts and ends within pages, whose other bytes are the file's.
    let file = memory_file(3 * page());
    let mut map = Map::bytes(2 * page())
        .from(&file, 100)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    for range in [0..2 * page(), 0..page() - 100, page() - 100..2 * page()] {
        assert_eq!(
            map.punch_hole(range.clone()).unwrap_err().errno(),
            Errno::INVAL,
            "{range:?}"
        );
    }
    map.punch_hole(page() - 100..2 * page() - 100).unwrap();
    let mut bytes = vec![1; 3 * page()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes[..page()], patterned(0, page()));
    assert!(bytes[page()..2 * page()].iter().all(|&byte| byte == 0));
    assert_eq!(bytes[2 * page()..], patterned(2 * page(), page()));
}

#[test]
fn punch_hole_needs_a_map_that_may_be_written() {
    let file = memory_file(page());
    let map = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    let view = map.view(..).unwrap();
    assert_eq!(view.punch_hole(..).unwrap_err().errno(), Errno::ACCESS);
    assert_eq!(bytes_of(&map), patterned(0, page()));
}

#[test]
fn freed_pages_hold_their_bytes_or_zeros_and_are_no_slice_any_more() {
    let mut map = anonymous(2 * page());
    map.fill(7);
    let map = map.free(page()..).unwrap();
    let bytes = bytes_of(&map);
    assert!(bytes[..page()].iter().all(|&byte| byte == 7));
    assert!(
        bytes[page()..].iter().all(|&byte| byte == 0)
            || bytes[page()..].iter().all(|&byte| byte == 7)
    );
    map.view(..).unwrap().write_at(page(), b"again").unwrap();
    assert_eq!(&bytes_of(&map)[page()..page() + 5], b"again");
}

#[test]
fn a_map_that_is_not_freed_comes_back_with_its_bytes() {
    let mut map = anonymous(2 * page());
    map.fill(7);
    let error = map.free(1..page()).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let map = error.into_map().unwrap();
    assert!(map.iter().all(|&byte| byte == 7));

    // Of several mappings, one could be freed and the next refuse.
    if let Err(error) = map.lock(..page()) {
        crate::testing::skip!("no right to lock a page: {error}");
    }
    let error = map.free(..).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let map = error.into_map().unwrap();
    assert!(map.iter().all(|&byte| byte == 7));
}

/// A memory file with the pattern in it and these seals.
fn sealed(len: usize, seals: rustix::fs::SealFlags) -> std::fs::File {
    let file = memory_file(len);
    rustix::fs::fcntl_add_seals(&file, seals).expect("seals");
    file
}

#[test]
fn revert_shows_a_sealed_file_again() {
    use rustix::fs::SealFlags;
    let file = sealed(
        3 * page(),
        SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW,
    );
    let mut map = Map::bytes(3 * page() - 5)
        .from_sealed(&file, 5)
        .with(perms::ReadWrite)
        .unwrap();
    map.fill(0xff);
    map.revert(page() - 5..2 * page() - 5).unwrap();
    assert!(map[..page() - 5].iter().all(|&byte| byte == 0xff));
    assert_eq!(map[page() - 5..2 * page() - 5], patterned(page(), page()));
    assert!(map[2 * page() - 5..].iter().all(|&byte| byte == 0xff));
    for range in [0..1, 0..page(), 1..2 * page() - 5] {
        let error = map.revert(range.clone()).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{range:?}");
    }
    map.revert(..).unwrap();
    assert_eq!(map[..], patterned(5, 3 * page() - 5));
    map[0] = 1;
    map.revert(..page() - 5).unwrap();
    assert_eq!(map[0], 5);
}

#[test]
fn revert_of_what_others_write_shows_what_they_wrote() {
    let file = sealed(2 * page(), rustix::fs::SealFlags::SHRINK);
    if mmarinus_sys::Support::overcommit() == Ok(mmarinus_sys::Overcommit::NEVER) {
        crate::testing::skip!("memory may not be overcommitted");
    }
    let mut map = Map::bytes(2 * page())
        .from_size_sealed(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    let words = map.atomics::<AtomicU32>(..).unwrap();
    words[0].store(7, Ordering::Relaxed);
    words[page() / 4].store(7, Ordering::Relaxed);
    file.write_all_at(&9_u32.to_ne_bytes(), 0).unwrap();
    assert_eq!(words[0].load(Ordering::Relaxed), 7);
    // Beside atomics, by a view; and of the map alone.
    let view = map.view(..).unwrap();
    view.revert(..page()).unwrap();
    assert_eq!(words[0].load(Ordering::Relaxed), 9);
    assert_eq!(words[page() / 4].load(Ordering::Relaxed), 7);
    assert_eq!(view.revert(1..page()).unwrap_err().errno(), Errno::INVAL);
    map.revert(page()..).unwrap();
    assert_eq!(bytes_of(&map)[page()..], patterned(page(), page()));
}

#[test]
fn revert_of_a_stable_file_shows_its_bytes() {
    let mut map = stable(2 * page(), Private, perms::ReadWrite);
    map.fill(1);
    map.revert(page()..).unwrap();
    assert_eq!(map[0], 1);
    assert_eq!(map[page()..], patterned(page(), page()));
}
