//! Holes of a sparse file on a file system that is full: touching them is an error of a copy, and no signal.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::kind::Kind;
use mmarinus::{Errno, Map, Private, Shared, backing, perms};

use crate::common::{is_root, page};
use crate::raw::mount_memory;
use crate::testing::{needs, skip, sound};

#[test]
fn holes_without_room_are_errors() {
    if !is_root() {
        skip!("a file system of our own needs root");
    }
    sound!({
        // In a namespace of this thread, so nobody else sees it.
        if let Err(why) = mount_memory(&std::env::temp_dir(), 16 * page()) {
            skip!("no file system can be mounted here: {why}");
        }
        let sparse = tempfile::tempfile().unwrap();
        sparse.set_len(8 * page() as u64).unwrap();
        sparse.write_all_at(&vec![7; page()], 0).unwrap();
        let request = || Map::bytes(8 * page()).from(&sparse, 0);
        let private = request().with_kind(Private).with(perms::ReadWrite).unwrap();
        let mut shared = request().with_kind(Shared).with(perms::ReadWrite).unwrap();
        let filling = tempfile::tempfile().unwrap();
        fill(&filling);

        let fault = shared.write_at(page() - 3, &[1; 10]).unwrap_err();
        assert_eq!(
            (fault.errno(), fault.copied(), fault.offset()),
            (Errno::FAULT, 3, page())
        );
        assert!(fault.to_string().contains("storage"), "{fault}");
        assert_eq!(
            shared
                .view(4 * page()..)
                .unwrap()
                .write_at(0, b"x")
                .unwrap_err()
                .errno(),
            Errno::FAULT
        );
        // To read a hole needs a page on this file system.
        assert_hole(&shared);
        assert_hole(&private);
        let error = request()
            .with_kind(Shared)
            .populate()
            .with(perms::ReadWrite)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::FAULT, "{error}");
        assert!(error.to_string().contains("full"), "{error}");
        let error = request().populate().with(perms::Read).unwrap_err();
        assert_eq!(error.errno(), Errno::FAULT, "{error}");
    });
}

#[test]
fn what_was_preallocated_is_written_on_full_storage() {
    needs!(root, populate);
    sound!({
        // In a namespace of this thread, so nobody else sees it.
        if let Err(why) = mount_memory(&std::env::temp_dir(), 16 * page()) {
            skip!("no file system can be mounted here: {why}");
        }
        let sparse = tempfile::tempfile().unwrap();
        sparse.set_len(8 * page() as u64).unwrap();
        let mut map = Map::bytes(8 * page())
            .from(&sparse, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        map.preallocate(..4 * page()).unwrap();
        let filling = tempfile::tempfile().unwrap();
        fill(&filling);
        map.write_at(0, &vec![7; 4 * page()]).unwrap();
        let fault = map.write_at(4 * page(), b"x").unwrap_err();
        assert_eq!(fault.errno(), Errno::FAULT);
        let error = map.preallocate(3 * page()..).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::FAULT, "madvise")
        );
        assert!(error.to_string().contains("the storage is full"), "{error}");
        drop(filling);
        map.preallocate(..).unwrap();
        map.write_at(4 * page(), &vec![8; 4 * page()]).unwrap();
    });
}

/// Fills the file system that a file is on.
fn fill(file: &File) {
    let mut offset = 0;
    while file.write_all_at(&vec![1; page()], offset).is_ok() {
        offset += page() as u64;
    }
}

/// Asserts that the first page is there, and the second is not.
fn assert_hole<K: Kind>(map: &Map<perms::ReadWrite, K, backing::File>) {
    let mut bytes = vec![0; 2 * page()];
    let fault = map.read_at(0, &mut bytes).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, page()));
    assert_eq!(bytes[0], 7);
}
