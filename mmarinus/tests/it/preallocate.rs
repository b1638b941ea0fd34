//! Room in a file for what is written through a shared map later: `preallocate`.

use std::os::unix::fs::{FileExt, MetadataExt};

use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Map, ProtFlags, Shared};

use crate::common::{bytes_of, disk_file, file_map, page, patterned};
use crate::raw::{present, stable};
use crate::testing::{needs, skip};

#[test]
fn holes_get_blocks_and_no_byte_changes() {
    needs!(populate);
    let file = tempfile::tempfile().unwrap();
    let len = 64 * page();
    file.set_len(len as u64).unwrap();
    file.write_all_at(b"there", 5 * page() as u64).unwrap();
    file.sync_all().unwrap();
    let before = file.metadata().unwrap().blocks();
    if before * 512 >= len as u64 {
        skip!("this file system has no holes");
    }
    let map = Map::bytes(len)
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    // Not by the map: to touch a hole of a file in memory is to fill it.
    let mut old = vec![0; len];
    file.read_exact_at(&mut old, 0).unwrap();
    map.preallocate(3 * page()..8 * page()).unwrap();
    file.sync_all().unwrap();
    let some = file.metadata().unwrap().blocks();
    assert!(
        some * 512 >= 5 * page() as u64 && some * 512 < len as u64,
        "{before} to {some} blocks"
    );
    map.preallocate(..).unwrap();
    file.sync_all().unwrap();
    let all = file.metadata().unwrap().blocks();
    assert!(all * 512 >= len as u64, "{before} to {all} blocks");
    assert_eq!(bytes_of(&map), old);
    assert_eq!(file.metadata().unwrap().len(), len as u64);
}

#[test]
fn all_that_is_written_back_to_files_may_have_it() {
    needs!(populate);
    let map = present(2 * page() + 1, Shared, perms::ReadWrite);
    map.preallocate(..).unwrap();
    assert_eq!(bytes_of(&map), patterned(0, 2 * page() + 1));
    let map = stable(page(), Shared, perms::ReadWrite);
    let slice = map.as_slice();
    map.preallocate(..).unwrap();
    assert_eq!(slice, patterned(0, page()));
    let map = file_map(page(), Shared).forget_permissions();
    map.preallocate(..).unwrap();
    map.preallocate(7..7).unwrap();
}

#[test]
fn what_cannot_be_written_gets_no_room() {
    let map = file_map(page(), Shared)
        .reprotect(Unknown(ProtFlags::READ))
        .unwrap();
    let error = map.preallocate(..).unwrap_err();
    assert_eq!(
        (error.errno(), error.operation()),
        (Errno::ACCESS, "madvise")
    );
    assert!(error.to_string().contains("preallocating"), "{error}");
    for range in [0..page() + 1, 1..usize::MAX, usize::MAX..usize::MAX] {
        let error = map.preallocate(range).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{error}");
    }
}

#[test]
fn past_the_end_of_the_file_there_is_none() {
    needs!(populate);
    let file = disk_file(page() + 1);
    let map = Map::bytes(3 * page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    map.preallocate(..2 * page()).unwrap();
    let error = map.preallocate(..).unwrap_err();
    assert_eq!(error.errno(), Errno::FAULT);
    assert!(error.to_string().contains("the file ends"), "{error}");
    assert_eq!(file.metadata().unwrap().len(), page() as u64 + 1);
}

#[test]
fn before_linux_5_14_it_says_so() {
    if mmarinus_sys::Support::populate() {
        skip!("this kernel has it");
    }
    let error = file_map(page(), Shared).preallocate(..).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.to_string().contains("needs Linux 5.14"), "{error}");
}
