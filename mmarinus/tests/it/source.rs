//! What a source knows of its descriptor, and what it spares.

use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::{Errno, Map, Private, Shared, Source, perms};

use crate::common::{Counted, bytes_of, disk_file, memory_file, open_descriptors, page, patterned};
use crate::testing::{in_child, skip};

#[test]
fn a_source_knows_the_length() {
    for len in [0, 1, page() - 1, page(), 5 * page() + 3] {
        for file in [disk_file(len), memory_file(len)] {
            let source = Source::of(&file).unwrap();
            assert_eq!((source.len(), source.is_empty()), (len as u64, len == 0));
            assert_eq!(source.page_size(), page());
            let map = Map::whole(&source).with(perms::Read).unwrap();
            assert_eq!(bytes_of(&map), patterned(0, len));
        }
    }
}

#[test]
fn a_source_makes_many_maps() {
    let file = disk_file(4 * page());
    let source = Source::of(&file).unwrap();
    let whole = Map::whole(&source)
        .near(1 << 32)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    let part = Map::bytes(10)
        .from_source(&source, 33)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(bytes_of(&whole), patterned(0, 4 * page()));
    assert_eq!(bytes_of(&part), patterned(33, 10));
    let copy = source;
    assert_eq!(copy.len(), source.len());
}

#[test]
fn a_source_remembers_the_length() {
    let file = disk_file(2 * page());
    let source = Source::of(&file).unwrap();
    file.set_len(page() as u64).unwrap();
    let map = Map::whole(&source).with(perms::Read).unwrap();
    assert_eq!(map.len(), 2 * page());
    let fault = map.read_at(0, &mut vec![0; 2 * page()]).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, page()));
}

#[test]
fn a_sparse_file_may_be_larger_than_memory() {
    let file = memory_file(10);
    let len = 1_u64 << 45;
    if file.set_len(len).is_err() {
        skip!("this file system has no files of 32 TiB");
    }
    let source = Source::of(&file).unwrap();
    let map = Map::whole(&source).with(perms::Read).unwrap();
    assert_eq!(map.len() as u64, len);
    let mut bytes = [1; 10];
    map.read_at(len as usize - 10, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 10]);
    map.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes[..], patterned(0, 10));
}

#[test]
fn a_descriptor_is_asked_for_once() {
    let file = Counted::new(disk_file(2 * page()));
    let asked = || file.asked.swap(0, core::sync::atomic::Ordering::Relaxed);
    drop(Map::bytes(page()).from(&file, 5).with(perms::Read).unwrap());
    assert_eq!(asked(), 1, "from");
    drop(
        Map::bytes(page())
            .from_device(&file, 5)
            .with(perms::Read)
            .unwrap(),
    );
    assert_eq!(asked(), 1, "from_device");
    let source = Source::of(&file).unwrap();
    assert_eq!(asked(), 1, "Source::of");
    drop(Map::whole(&source).with(perms::Read).unwrap());
    drop(
        Map::bytes(page())
            .from_source(&source, 5)
            .with_kind(Private)
            .with(perms::Read)
            .unwrap(),
    );
    assert_eq!(asked(), 0, "a source has the descriptor");
    Source::device(&file).unwrap();
    assert_eq!(asked(), 1, "Source::device");
}

#[test]
fn a_map_outlives_its_descriptor() {
    let file = disk_file(page());
    let map = Map::bytes(page()).from(&file, 0).with(perms::Read).unwrap();
    drop(file);
    assert_eq!(bytes_of(&map), patterned(0, page()));
}

#[test]
fn any_way_to_lend_a_descriptor_is_taken() {
    use std::os::fd::{AsFd, OwnedFd};
    let mut file = disk_file(page());
    let lent: &mut File = &mut file;
    let expected = patterned(7, 3);
    let of = |map: Map<perms::Read, Private, mmarinus::backing::File>| bytes_of(&map);
    assert_eq!(
        of(Map::bytes(3).from(lent, 7).with(perms::Read).unwrap()),
        expected
    );
    assert_eq!(
        of(Map::bytes(3)
            .from(&file.as_fd(), 7)
            .with(perms::Read)
            .unwrap()),
        expected
    );
    let dynamic: &dyn AsFd = &file;
    assert_eq!(
        of(Map::bytes(3).from(dynamic, 7).with(perms::Read).unwrap()),
        expected
    );
    let owned = OwnedFd::from(file);
    assert_eq!(
        of(Map::bytes(3).from(&owned, 7).with(perms::Read).unwrap()),
        expected
    );
    let counted = std::sync::Arc::new(owned);
    assert_eq!(
        of(Map::bytes(3).from(&counted, 7).with(perms::Read).unwrap()),
        expected
    );
}

#[test]
fn a_device_says_what_its_pages_are() {
    let zero = File::open("/dev/zero").unwrap();
    let source = Source::device(&zero).unwrap();
    assert_eq!((source.len(), source.page_size()), (0, page()));
    assert!(Map::whole(&source).with(perms::Read).unwrap().is_empty());
    let map = Map::bytes(2 * page())
        .from_source(&source, 0)
        .with(perms::Read)
        .unwrap();
    assert_eq!(bytes_of(&map), vec![0; 2 * page()]);
    // A file may be taken as a device as well; then safe code does not write it.
    let file = disk_file(page());
    let map = Map::whole(&Source::device(&file).unwrap())
        .with(perms::Read)
        .unwrap();
    assert_eq!(bytes_of(&map), patterned(0, page()));
}

#[test]
fn block_devices_are_files() {
    let disks = std::fs::read_dir("/sys/class/block")
        .into_iter()
        .flatten()
        .flatten();
    let open = disks.filter_map(|disk| {
        let device = File::open(std::path::Path::new("/dev").join(disk.file_name())).ok()?;
        // A drive may be empty.
        let sectors = std::fs::read_to_string(disk.path().join("size")).ok()?;
        let sectors: u64 = sectors.trim().parse().ok()?;
        (sectors > 16).then_some((device, sectors))
    });
    let Some((device, sectors)) = open.into_iter().next() else {
        skip!("no block device that this user may read");
    };
    let source = Source::of(&device).unwrap();
    assert_eq!(source.len(), sectors * 512);
    let map = Map::bytes(1000)
        .from_source(&source, 100)
        .with(perms::Read)
        .unwrap();
    let mut bytes = [0; 1000];
    device.read_exact_at(&mut bytes, 100).unwrap();
    assert_eq!(bytes_of(&map), bytes);
    let map = Map::bytes(10)
        .from(&device, source.len())
        .with(perms::Read)
        .unwrap();
    assert_eq!(
        map.read_at(0, &mut [0; 10]).unwrap_err().errno(),
        Errno::FAULT
    );
}

#[test]
fn descriptors_are_not_kept() {
    let status = in_child!({
        let file = disk_file(page());
        let before = open_descriptors();
        for _ in 0..100 {
            let source = Source::of(&file).unwrap();
            let map = Map::whole(&source).with(perms::Read).unwrap();
            assert_eq!(map.len(), page());
            Map::bytes(1)
                .from(&file, u64::MAX)
                .with(perms::Read)
                .unwrap_err();
        }
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success());
}
