//! Writing shared pages back, and who can see what was written.

use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::{Errno, Map, Shared, perms};

use crate::common::{disk_file, file_map, page};
use crate::raw::{present, stable};
use crate::testing::{in_child, needs};

/// Whether the page of the cache at an offset is dirty, by the kernel's account of a map of it.
fn dirty<P, B: mmarinus::backing::Backing<Shared>>(map: &Map<P, Shared, B>) -> usize {
    let vma = crate::common::Vma::of(map);
    vma.bytes("Shared_Dirty") + vma.bytes("Private_Dirty")
}

#[test]
fn what_was_written_is_no_longer_dirty() {
    needs!(disk);
    let status = in_child!({
        let file = disk_file(4 * page());
        file.sync_all().unwrap();
        let map = Map::bytes(4 * page()).from(&file, 0).with_kind(Shared);
        let mut map = map.with(perms::ReadWrite).unwrap();
        for at in 0..4 {
            map.write_at(at * page(), b"durable").unwrap();
        }
        assert_eq!(dirty(&map), 4 * page());
        // The pages around the range; others may go along, where the file system keeps its cache in larger pieces.
        map.sync(page() + 1..2 * page() + 1).unwrap();
        assert!(dirty(&map) <= 2 * page());
        map.sync(..).unwrap();
        assert_eq!(dirty(&map), 0);
        let mut bytes = [0; 7];
        file.read_exact_at(&mut bytes, page() as u64).unwrap();
        assert_eq!(&bytes, b"durable");
    });
    assert!(status.success());
}

#[test]
fn every_map_that_has_a_file_is_written_back() {
    fn assert_syncs<B: mmarinus::backing::Syncable<Shared>>(
        map: &Map<perms::ReadWrite, Shared, B>,
    ) {
        for range in [0..map.len(), 0..1, map.len() - 1..map.len(), 5..5] {
            map.sync(range.clone()).unwrap();
            map.sync_async(range.clone()).unwrap();
            map.invalidate(range.clone()).unwrap();
            map.persist(range).unwrap();
        }
        for range in [0..map.len() + 1, usize::MAX..usize::MAX, 1..usize::MAX] {
            assert_eq!(map.sync(range.clone()).unwrap_err().errno(), Errno::INVAL);
            assert_eq!(
                map.sync_async(range.clone()).unwrap_err().errno(),
                Errno::INVAL
            );
            assert_eq!(
                map.persist(range.clone()).unwrap_err().errno(),
                Errno::INVAL
            );
            assert_eq!(map.invalidate(range).unwrap_err().errno(), Errno::INVAL);
        }
    }
    assert_syncs(&file_map(3 * page() - 1, Shared));
    assert_syncs(&stable(page(), Shared, perms::ReadWrite));
    assert_syncs(&present(2 * page(), Shared, perms::ReadWrite));
    let file: File = disk_file(3 * page());
    let map = Map::bytes(page()).from(&file, 100).with_kind(Shared);
    assert_syncs(&map.with(perms::ReadWrite).unwrap());
}

#[test]
fn locked_pages_are_not_invalidated() {
    let status = in_child!({
        let map = file_map(3 * page(), Shared);
        map.lock(page()..2 * page()).unwrap();
        let error = map.invalidate(..).unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::BUSY, "msync"));
        assert!(error.to_string().contains("unlock them first"), "{error}");
        map.invalidate(2 * page()..).unwrap();
        map.sync(..).unwrap();
        map.unlock(..).unwrap();
        map.invalidate(..).unwrap();
    });
    assert!(status.success());
}

#[test]
fn a_file_that_was_cut_short_is_written_back_as_far_as_it_is() {
    let file = disk_file(3 * page());
    let map = Map::bytes(3 * page()).from(&file, 0).with_kind(Shared);
    let mut map = map.with(perms::ReadWrite).unwrap();
    map.write_at(0, b"kept").unwrap();
    file.set_len(page() as u64).unwrap();
    map.sync(..).unwrap();
    assert_eq!(file.metadata().unwrap().len(), page() as u64);
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"kept");
}
