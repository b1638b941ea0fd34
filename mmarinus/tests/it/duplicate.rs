//! Mapping the pages of a shared map twice: what one writes the other has, on each backing.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

use mmarinus::backing::{Backing, Unsliced, Written};
use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Map, ProtFlags, Shared};
use rustix::process::Resource;

use crate::common::{Vma, bytes_of, disk_file, file_map, is_free, limit, page, patterned, shared};
use crate::raw::present;
use crate::testing::in_child;

/// Asserts that two maps are the same pages at two places.
fn assert_twins<B: Backing<Shared> + Unsliced<Shared> + Written<Shared>>(
    map: &Map<perms::ReadWrite, Shared, B>,
) {
    let twin = map.duplicate().unwrap();
    assert_eq!((twin.len(), twin.pages().1), (map.len(), map.pages().1));
    assert!(twin.addr().abs_diff(map.addr()) >= map.pages().1);
    assert_eq!(twin.addr() % page(), map.addr() % page());
    assert_eq!(bytes_of(&twin), bytes_of(map));
    let last = map.len() - 1;
    map.view(..).unwrap().write_at(last, b"1").unwrap();
    twin.view(..).unwrap().write_at(0, b"2").unwrap();
    assert_eq!(bytes_of(&twin), bytes_of(map));
    assert_eq!((bytes_of(map)[0], bytes_of(&twin)[last]), (b'2', b'1'));
    let (one, two) = (Vma::of(map), Vma::of(&twin));
    assert_eq!((two.perms.as_str(), two.offset), ("rw-s", one.offset));
    let third = twin.duplicate().unwrap();
    drop(twin);
    third.view(..).unwrap().write_at(last / 2, b"3").unwrap();
    assert_eq!(bytes_of(map)[last / 2], b'3');
}

#[test]
fn both_are_the_same_pages() {
    assert_twins(&shared(3 * page()));
    assert_twins(&shared(page() + 1));
    assert_twins(&file_map(3 * page() - 7, Shared));
    assert_twins(&present(2 * page(), Shared, perms::ReadWrite));
    assert_twins(&shared(page()).expose());
    let file = disk_file(4 * page());
    let map = Map::bytes(2 * page())
        .from(&file, page() as u64 + 100)
        .with_kind(Shared);
    assert_twins(&map.with(perms::ReadWrite).unwrap());
}

#[test]
fn a_part_is_duplicated_alone() {
    let status = in_child!({
        let map = file_map(6 * page(), Shared);
        let (_one, rest) = map.split(2 * page()).unwrap();
        let (two, _three) = rest.split(2 * page()).unwrap();
        let twin = two.duplicate().unwrap();
        assert_eq!(bytes_of(&twin), patterned(2 * page(), 2 * page()));
        let addr = twin.addr();
        assert_eq!(Vma::of(&twin).end - Vma::of(&twin).start, 2 * page());
        drop(twin);
        assert!(is_free(addr, 2 * page()));
        assert_eq!(bytes_of(&two), patterned(2 * page(), 2 * page()));
    });
    assert!(status.success());
}

#[test]
fn nothing_twice_is_nothing() {
    let twin = shared(0).duplicate().unwrap();
    assert_eq!((twin.len(), twin.pages().1), (0, 0));
}

#[test]
fn atomics_are_those_of_both() {
    let map = shared(page());
    let atomics = map.atomics::<AtomicU32>(..).unwrap();
    let twin = map.duplicate().unwrap();
    let twins = twin.atomics::<AtomicU32>(..).unwrap();
    atomics[5].store(7, Relaxed);
    assert_eq!(twins[5].fetch_add(1, Relaxed), 7);
    assert_eq!(atomics[5].load(Relaxed), 8);
    // They have one size, also where they are at another address.
    let error = twin.atomics::<AtomicU8>(..).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
}

#[test]
fn permissions_are_those_of_each() {
    let map = shared(page()).reprotect(perms::Read).unwrap();
    let twin = map.duplicate().unwrap();
    assert_eq!(Vma::of(&twin).perms, "r--s");
    let twin = twin.reprotect(perms::ReadWrite).unwrap();
    twin.view(..).unwrap().write_at(0, b"w").unwrap();
    assert_eq!(
        (bytes_of(&map)[0], Vma::of(&map).perms.as_str()),
        (b'w', "r--s")
    );
    let hidden = twin.reprotect(Unknown(ProtFlags::empty())).unwrap();
    let twin = hidden.duplicate().unwrap();
    assert_eq!(
        (Vma::of(&twin).perms.as_str(), twin.permissions()),
        ("---s", ProtFlags::empty())
    );
}

#[test]
fn without_room_there_is_no_twin() {
    let status = in_child!({
        let map = shared(256 << 20);
        map.view(..).unwrap().write_at(0, b"7").unwrap();
        limit(Resource::As, 384 << 20);
        let error = map.duplicate().unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::NOMEM, "mremap"));
        assert!(error.to_string().contains("RLIMIT_AS"), "{error}");
        let mut byte = [0];
        map.read_at(0, &mut byte).unwrap();
        assert_eq!(byte, [b'7']);
    });
    assert!(status.success());
}

#[test]
fn sealed_files_have_twins_that_are_slices() {
    use rustix::fs::{SealFlags, fcntl_add_seals};
    if crate::common::older_than(6, 7) {
        crate::testing::skip!("a shared map of a file with the seal WRITE needs Linux 6.7");
    }
    let file = crate::common::memory_file(3 * page());
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
    fcntl_add_seals(&file, seals).unwrap();
    let map = Map::bytes(2 * page())
        .from_sealed(&file, 5)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    let slice = &map[..];
    let twin = map.duplicate().unwrap();
    assert_eq!((&twin[..], twin.addr() % page()), (slice, 5));
    assert_eq!(twin[..], patterned(5, 2 * page()));
    assert_eq!(Vma::of(&twin).perms, "r--s");
    drop(map);
    // Neither is ever written.
    let error = twin.reprotect(perms::ReadWrite).unwrap_err();
    assert_eq!(error.errno(), Errno::ACCESS);
    let twin = error.into_map().unwrap().reprotect(perms::None).unwrap();
    let twin = twin.duplicate().unwrap().reprotect(perms::Read).unwrap();
    assert_eq!(twin[..], patterned(5, 2 * page()));
}
