//! Other pages in the place of a map, and the map that comes back when that fails.

use core::sync::atomic::AtomicU8;
use std::fs::File;
use std::net::{TcpListener, UdpSocket};

use mmarinus::backing::{self, Anonymous};
use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Error, Map, Private, ProtFlags, Shared, Source};

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, exposed, file_map, is_free, limit, mappings, page,
    patterned, shared,
};
use crate::raw::{self, Call, present, stable};
use crate::testing::{in_child, skip};

/// Memory that is full of sevens.
fn sevens(pages: usize) -> Map<perms::ReadWrite> {
    let mut map = anonymous(pages * page());
    map.fill(7);
    map
}

/// Asserts that a refused map is as it was, and gives it back.
fn assert_intact(
    error: Error<Map<perms::ReadWrite>>,
    errno: Errno,
    addr: usize,
) -> Map<perms::ReadWrite> {
    assert_eq!(error.errno(), errno, "{error}");
    let mut map = error.into_map().expect("the old map comes back");
    assert_eq!(map.addr(), addr);
    assert!(
        map.iter().all(|&byte| byte == 7),
        "the old bytes are still there"
    );
    assert_eq!(Vma::of(&map).perms, "rw-p");
    map.fill(8);
    map.fill(7);
    map
}

#[test]
fn a_file_takes_the_place_of_memory() {
    let file = disk_file(3 * page());
    let map = sevens(2);
    let (addr, pages) = (map.addr(), map.pages());
    let map: Map<perms::Read, Private, backing::File> = map
        .remap()
        .from(&file, page() as u64)
        .with(perms::Read)
        .unwrap();
    assert_eq!(
        (map.addr(), map.len(), map.pages()),
        (addr, 2 * page(), pages)
    );
    assert_eq!(bytes_of(&map), patterned(page(), 2 * page()));
    let vma = Vma::of(&map);
    assert_eq!((&*vma.perms, vma.offset), ("r--p", page() as u64));
}

#[test]
fn each_backing_takes_the_place_of_each() {
    let file = disk_file(page());
    let zero = File::open("/dev/zero").unwrap();
    let source = Source::of(&file).unwrap();
    let map = file_map(page(), Shared);
    let addr = map.addr();
    let map: Map<perms::ReadWrite, Private, Anonymous> =
        map.remap().anonymously().with(perms::ReadWrite).unwrap();
    assert_eq!(*map, vec![0; page()]);
    let map: Map<perms::ReadWrite, Shared, Anonymous> = map
        .remap()
        .anonymously()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(map.atomics::<AtomicU8>(..).unwrap().len(), page());
    let map: Map<perms::Read, Shared, backing::File> = map
        .remap()
        .from_source(&source, 0)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    assert_eq!(bytes_of(&map), patterned(0, page()));
    let map: Map<perms::Read, Private, backing::Device> =
        map.remap().from_device(&zero, 0).with(perms::Read).unwrap();
    assert_eq!(bytes_of(&map), vec![0; page()]);
    let map = map
        .remap()
        .anonymously()
        .populate()
        .with(Unknown(ProtFlags::WRITE))
        .unwrap();
    assert_eq!((map.permissions(), map.addr()), (ProtFlags::WRITE, addr));
    let map = map
        .remap()
        .from(&file, 0)
        .populate()
        .locked()
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!((bytes_of(&map), map.addr()), (patterned(0, page()), addr));
    assert!(Vma::of(&map).has("lo"));
    for map in [
        exposed(page())
            .remap()
            .anonymously()
            .with(perms::Read)
            .unwrap(),
        stable(page(), Shared, perms::Read)
            .remap()
            .anonymously()
            .with(perms::Read)
            .unwrap(),
        present(page(), Private, perms::None)
            .remap()
            .anonymously()
            .with(perms::Read)
            .unwrap(),
    ] {
        assert_eq!(*map, vec![0; page()]);
    }
}

#[test]
fn the_kind_is_private_unless_it_is_said() {
    let file = disk_file(page());
    let map = shared(page())
        .remap()
        .from(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(Vma::of(&map).perms, "rw-p");
}

#[test]
fn maps_inside_of_pages_are_replaced_by_files_with_the_same_head() {
    let file = disk_file(4 * page());
    let map = Map::bytes(page())
        .from(&file, 100)
        .with(perms::Read)
        .unwrap();
    let addr = map.addr();
    let map = map
        .remap()
        .from(&file, page() as u64 + 100)
        .with(perms::Read)
        .unwrap();
    assert_eq!(map.addr(), addr);
    assert_eq!(bytes_of(&map), patterned(page() + 100, page()));
    let error = map.remap().from(&file, 101).with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert_eq!(
        bytes_of(&error.into_map().unwrap()),
        patterned(page() + 100, page())
    );
}

#[test]
fn other_maps_are_not_touched() {
    let status = in_child!({
        let (one, rest) = sevens(3).split(page()).unwrap();
        let (two, three) = rest.split(page()).unwrap();
        let before = (one.addr(), three.addr());
        let file = disk_file(page());
        let two = two.remap().from(&file, 0).with(perms::Read).unwrap();
        assert_eq!(bytes_of(&two), patterned(0, page()));
        assert!(one.iter().chain(three.iter()).all(|&byte| byte == 7));
        assert_eq!((one.addr(), three.addr()), before);
        let (addr, len) = two.pages();
        drop(two);
        assert!(is_free(addr, len));
        assert!(one.iter().chain(three.iter()).all(|&byte| byte == 7));
    });
    assert!(status.success());
}

#[test]
fn nothing_is_replaced_by_nothing() {
    let file = disk_file(page());
    let map = anonymous(0)
        .remap()
        .from(&file, 5)
        .with(perms::Read)
        .unwrap();
    assert!(map.is_empty());
    assert_eq!(bytes_of(&map), b"");
}

#[test]
fn failures_before_the_kernel_looks_give_the_map_back() {
    let mut map = sevens(2);
    let addr = map.addr();
    let file = disk_file(2 * page());
    for offset in [1, 100, page() as u64 - 1, page() as u64 + 1] {
        let error = map
            .remap()
            .from(&file, offset)
            .with(perms::Read)
            .unwrap_err();
        assert!(
            error.to_string().contains("modulo the page size"),
            "{error}"
        );
        map = assert_intact(error, Errno::INVAL, addr);
    }
    for offset in [u64::MAX, i64::MAX as u64, 1 << 63] {
        map = assert_intact(
            map.remap()
                .from(&file, offset)
                .with(perms::Read)
                .unwrap_err(),
            Errno::OVERFLOW,
            addr,
        );
    }
    let bad = Unknown(ProtFlags::from_bits_retain(0x0100_0000));
    map = assert_intact(
        map.remap().anonymously().with(bad).unwrap_err(),
        Errno::INVAL,
        addr,
    );
    map = assert_intact(
        map.remap()
            .anonymously()
            .with_kind(Shared)
            .no_reserve()
            .with(perms::Read)
            .unwrap_err(),
        Errno::OPNOTSUPP,
        addr,
    );
    map = assert_intact(
        map.remap()
            .anonymously()
            .populate()
            .with(perms::None)
            .unwrap_err(),
        Errno::INVAL,
        addr,
    );
    assert_eq!(map.len(), 2 * page());
}

#[test]
fn descriptors_that_are_no_files_give_the_map_back() {
    let mut map = sevens(2);
    let addr = map.addr();
    let directory = File::open("/").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let procfs = File::open("/proc/self/maps").unwrap();
    map = assert_intact(
        map.remap()
            .from(&directory, 0)
            .with(perms::Read)
            .unwrap_err(),
        Errno::ISDIR,
        addr,
    );
    map = assert_intact(
        map.remap().from(&udp, 0).with(perms::Read).unwrap_err(),
        Errno::NODEV,
        addr,
    );
    map = assert_intact(
        map.remap().from(&procfs, 0).with(perms::Read).unwrap_err(),
        Errno::OPNOTSUPP,
        addr,
    );
    map = assert_intact(
        map.remap()
            .from_device(&directory, 0)
            .with(perms::Read)
            .unwrap_err(),
        Errno::NODEV,
        addr,
    );
    assert_eq!(map.len(), 2 * page());
}

#[test]
fn descriptors_that_fail_late_give_the_map_back() {
    // A fixed mmap of these would have unmapped the range before it failed.
    let status = in_child!({
        let mut map = sevens(2);
        let addr = map.addr();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let before = mappings();
        for _ in 0..3 {
            map = assert_intact(
                map.remap()
                    .from_device(&udp, 0)
                    .with(perms::Read)
                    .unwrap_err(),
                Errno::NODEV,
                addr,
            );
            let error = map
                .remap()
                .from_device(&udp, 0)
                .with_kind(Shared)
                .with(perms::ReadWrite)
                .unwrap_err();
            map = assert_intact(error, Errno::NODEV, addr);
            let error = map
                .remap()
                .from_device(&tcp, 0)
                .with_kind(Shared)
                .with(perms::ReadWrite)
                .unwrap_err();
            assert!(
                [Errno::PERM, Errno::NODEV].contains(&error.errno()),
                "{error}"
            );
            let errno = error.errno();
            map = assert_intact(error, errno, addr);
        }
        assert_eq!(mappings(), before, "nothing is left behind");
        drop(map);
        assert!(
            is_free(addr, 2 * page()),
            "the map that came back still owns its pages"
        );
    });
    assert!(status.success());
}

#[test]
fn pages_that_cannot_be_populated_give_the_map_back() {
    let status = in_child!({
        let file = disk_file(page());
        let mut map = sevens(2);
        let (addr, before) = (map.addr(), mappings());
        let error = map
            .remap()
            .from(&file, 0)
            .populate()
            .with(perms::Read)
            .unwrap_err();
        map = assert_intact(error, Errno::FAULT, addr);
        assert_eq!(mappings(), before);
        assert_eq!(map.len(), 2 * page());
    });
    assert!(status.success());
}

#[test]
fn no_room_gives_the_map_back() {
    let status = in_child!({
        let map = Map::bytes(1 << 30)
            .anonymously()
            .with(perms::ReadWrite)
            .unwrap();
        let (mut map, rest) = map.split(4 * page()).unwrap();
        map.fill(7);
        let addr = rest.addr();
        limit(rustix::process::Resource::As, 1 << 30);
        let error = rest
            .remap()
            .anonymously()
            .with(perms::ReadWrite)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM);
        let mut rest = error.into_map().unwrap();
        assert_eq!(rest.addr(), addr);
        rest[0] = 1;
        assert_eq!((rest[0], rest[1], map[0]), (1, 0, 7));
    });
    assert!(status.success());
}

#[test]
fn a_move_that_fails_loses_the_range_and_nothing_else() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let file = disk_file(2 * page());
        let map = sevens(2);
        let (addr, before) = (map.addr(), mappings());
        raw::forbid(&[Call::Mremap], Errno::AGAIN).unwrap();
        let error = map.remap().from(&file, 0).with(perms::Read).unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::AGAIN, "mremap"));
        assert!(error.to_string().contains("max_map_count"), "{error}");
        assert!(error.into_map().is_none());
        // Here the kernel has not unmapped the range. It is forgotten, since another thread might own it.
        assert_eq!(Vma::at(addr).unwrap().perms, "rw-p");
        assert_eq!(mappings(), before, "the new pages are unmapped");
    });
    assert!(status.success());
}

#[test]
fn a_request_that_is_dropped_drops_the_map() {
    let status = in_child!({
        let map = sevens(2);
        let addr = map.addr();
        drop(map.remap().anonymously());
        assert!(is_free(addr, 2 * page()));
    });
    assert!(status.success());
}
