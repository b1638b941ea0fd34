//! Devices mapped directly over a map: what fails is lost, and nothing beside it is reached.

use std::fs::File;
use std::net::UdpSocket;

use mmarinus::{Errno, Map, Shared, Source, perms};

use crate::common::{Vma, anonymous, bytes_of, disk_file, is_free, page, pattern, patterned};
use crate::testing::in_child;

#[test]
fn a_device_takes_the_place_and_no_more() {
    let zero = File::open("/dev/zero").unwrap();
    let (mut before, rest) = anonymous(4 * page()).split(page()).unwrap();
    let (map, mut after) = rest.split(2 * page()).unwrap();
    before.fill(1);
    after.fill(2);
    let addr = map.addr();
    let map = map
        .remap_in_place()
        .from_device(&zero, 0)
        .with(perms::Read)
        .unwrap();
    assert_eq!((map.addr(), map.len()), (addr, 2 * page()));
    assert_eq!(bytes_of(&map), vec![0; 2 * page()]);
    assert_eq!(Vma::of(&map).perms, "r--p");
    assert!(before.iter().all(|&byte| byte == 1) && after.iter().all(|&byte| byte == 2));
    // By a source that was looked at, shared, over a device.
    let file = disk_file(4 * page());
    let source = Source::device(&file).unwrap();
    let map = map
        .remap_in_place()
        .from_source(&source, page() as u64)
        .with_kind(Shared);
    let map = map.with(perms::Read).unwrap();
    assert_eq!(bytes_of(&map), patterned(page(), 2 * page()));
    assert_eq!(Vma::of(&map).perms, "r--s");
    assert!(before.iter().all(|&byte| byte == 1) && after.iter().all(|&byte| byte == 2));
}

#[test]
fn the_first_byte_stays_within_its_page() {
    let file = disk_file(4 * page());
    let map = Map::bytes(page())
        .from(&file, 100)
        .with(perms::Read)
        .unwrap();
    let addr = map.addr();
    for offset in [0, 99, page() as u64] {
        let error = Map::bytes(page())
            .from(&file, 100)
            .with(perms::Read)
            .unwrap();
        let error = error
            .remap_in_place()
            .from_device(&file, offset)
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{error}");
        assert_eq!(error.into_map().unwrap().len(), page());
    }
    let map = map
        .remap_in_place()
        .from_device(&file, page() as u64 + 100)
        .with(perms::Read);
    let map = map.unwrap();
    assert_eq!(map.addr(), addr);
    assert_eq!(bytes_of(&map)[0], pattern(page() + 100));
}

#[test]
fn what_is_refused_before_the_call_comes_back() {
    let zero = File::open("/dev/zero").unwrap();
    let mut map = anonymous(2 * page());
    map.fill(7);
    let request = map.remap_in_place().from_device(&zero, 0);
    let error = request.aligned_to(3).with(perms::Read).unwrap_err();
    let map = error.into_map().expect("nothing was done");
    let error = map
        .remap_in_place()
        .from_device(&zero, u64::MAX - 4095)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::OVERFLOW);
    let map = error.into_map().expect("nothing was done");
    let error = map
        .remap_in_place()
        .from_device(&std::io::stdin(), 0)
        .with(perms::Read)
        .unwrap_err();
    let map = error.into_map().expect("nothing was done");
    let unknown = perms::Unknown(mmarinus::ProtFlags::from_bits_retain(0x40));
    let error = map
        .remap_in_place()
        .from_device(&zero, 0)
        .with(unknown)
        .unwrap_err();
    let map = error.into_map().expect("nothing was done");
    assert!(map.iter().all(|&byte| byte == 7));
    let empty = anonymous(0)
        .remap_in_place()
        .from_device(&zero, 0)
        .with(perms::Read)
        .unwrap();
    assert!(empty.is_empty());
}

#[test]
fn what_the_kernel_refuses_is_lost_and_never_unmapped_again() {
    let status = in_child!({
        // This one fails after the kernel has unmapped the range.
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let map = anonymous(2 * page());
        let addr = map.addr();
        let error = map
            .remap_in_place()
            .from_device(&udp, 0)
            .with(perms::Read)
            .unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::NODEV, "mmap"));
        let text = error.to_string();
        assert!(
            text.contains("MAP_FIXED") && text.contains("is gone"),
            "{text}"
        );
        let lost = is_free(addr, 2 * page());
        // Somebody else takes the addresses; that the error holds no map shows in that theirs stays.
        let mut other = if lost {
            Map::bytes(2 * page())
                .at(addr)
                .anonymously()
                .with(perms::ReadWrite)
                .unwrap()
        } else {
            anonymous(2 * page())
        };
        other.fill(9);
        assert!(error.into_map().is_none());
        assert!(other.iter().all(|&byte| byte == 9));

        // A page that cannot be brought in is seen after the device is mapped.
        let file = disk_file(page());
        let map = anonymous(2 * page());
        let addr = map.addr();
        let error = map
            .remap_in_place()
            .from_device(&file, 0)
            .populate()
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::FAULT);
        assert!(error.into_map().is_none() && is_free(addr, 2 * page()));
    });
    assert!(status.success());
}

#[test]
fn huge_pages_never_go_over_small_ones() {
    use rustix::fs::{MemfdFlags, memfd_create};
    let Ok(huge) = memfd_create("huge", MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB) else {
        crate::testing::skip!("the kernel has no huge pages");
    };
    let (map, mut after) = anonymous(2 * page()).split(page()).unwrap();
    after.fill(3);
    let request = map.remap_in_place().from_device(&huge, 0);
    let error = request.with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL, "{error}");
    assert!(error.to_string().contains("page size"), "{error}");
    assert!(error.into_map().unwrap().iter().all(|&byte| byte == 0));
    assert!(after.iter().all(|&byte| byte == 3));
}
