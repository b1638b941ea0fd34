//! A file that is truncated, or written by others, while it is mapped: an error or other bytes, and no signal.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::thread;

use mmarinus::kind::Kind;
use mmarinus::{Errno, Map, Private, Shared, perms};

use crate::common::{bytes_of, disk_file, memory_file, page, patterned};
use crate::testing::sound::Leak;
use crate::testing::{sound, times};

/// Asserts that a file can be cut under maps of it, whatever was done to their pages before.
fn assert_survives(file: &File, cut: impl Fn(&File)) {
    fn assert_gone<K: Kind>(map: &mut Map<perms::ReadWrite, K, mmarinus::backing::File>) {
        for offset in [0, page(), 3 * page()] {
            let fault = map.read_at(offset, &mut [0; 16]).unwrap_err();
            assert_eq!(
                (fault.errno(), fault.copied()),
                (Errno::FAULT, 0),
                "{fault}"
            );
            let fault = map.write_at(offset, &[1; 16]).unwrap_err();
            assert_eq!(
                (fault.errno(), fault.copied()),
                (Errno::FAULT, 0),
                "{fault}"
            );
            let fault = map.view(offset..).unwrap().write_at(0, b"x").unwrap_err();
            assert_eq!(fault.errno(), Errno::FAULT);
        }
    }
    let request = || Map::bytes(4 * page()).from(file, 0);
    let untouched = request().with(perms::ReadWrite).unwrap();
    let mut read = request().with(perms::ReadWrite).unwrap();
    bytes_of(&read);
    // Pages that were written are this map's own copy, and go all the same.
    let mut copied = request().with(perms::ReadWrite).unwrap();
    copied.write_at(0, &vec![7; 4 * page()]).unwrap();
    let populated = request().populate().with(perms::ReadWrite).unwrap();
    let locked = request().locked().with(perms::ReadWrite).unwrap();
    let mut shared = request().with_kind(Shared).with(perms::ReadWrite).unwrap();
    shared.write_at(0, b"shared").unwrap();
    read.write_at(page(), b"x").unwrap();
    cut(file);
    for mut map in [untouched, read, copied, populated, locked] {
        assert_gone(&mut map);
    }
    assert_gone(&mut shared);
}

#[test]
fn every_page_of_a_truncated_file_is_an_error() {
    sound!({
        assert_survives(&disk_file(4 * page()), |file| file.set_len(0).unwrap());
        assert_survives(&memory_file(4 * page()), |file| file.set_len(0).unwrap());
    });
}

#[test]
fn opening_with_truncation_is_truncation() {
    sound!({
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), patterned(0, 4 * page())).unwrap();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path.path())
            .unwrap();
        assert_survives(&file, |_| drop(File::create(path.path()).unwrap()));
    });
}

#[test]
fn a_file_that_is_cut_and_extended_all_the_time() {
    sound!({
        let file = memory_file(8 * page());
        let done = AtomicBool::new(false);
        let mut private = Map::bytes(8 * page())
            .from(&file, 0)
            .with(perms::ReadWrite)
            .unwrap();
        let shared = Map::bytes(8 * page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        let view = shared.view(..).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..times(20_000) as u64 {
                    file.set_len(round % 8 * page() as u64).unwrap();
                    file.set_len(8 * page() as u64).unwrap();
                }
                done.store(true, Relaxed);
            });
            let (mut faults, mut copies) = (0, 0);
            let mut count = |result: Result<(), mmarinus::Fault>| match result {
                Ok(()) => copies += 1,
                Err(fault) => {
                    assert_eq!(fault.errno(), Errno::FAULT);
                    assert!(fault.copied() <= 8 * page());
                    faults += 1;
                }
            };
            let mut buffer = vec![0; 8 * page()];
            while !done.load(Relaxed) {
                count(private.read_at(0, &mut buffer));
                count(private.write_at(0, &buffer));
                count(view.read_at(page() + 1, &mut buffer[..3 * page()]));
                count(view.write_at(page() + 1, &buffer[..3 * page()]));
            }
            assert!(
                copies > 0 && faults > 0,
                "{copies} copies and {faults} faults"
            );
        });
    });
}

#[test]
fn holes_are_punched_without_harm() {
    sound!({
        use rustix::fs::{FallocateFlags, fallocate};
        let file = memory_file(4 * page());
        let map = Map::bytes(4 * page())
            .from(&file, 0)
            .with(perms::Read)
            .unwrap();
        bytes_of(&map);
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, hole, page() as u64, 2 * page() as u64).unwrap();
        let bytes = bytes_of(&map);
        assert_eq!(bytes[..page()], patterned(0, page()));
        assert!(bytes[page()..3 * page()].iter().all(|&byte| byte == 0));
    });
}

#[test]
fn a_private_map_is_no_snapshot_and_its_copies_are() {
    let file = disk_file(2 * page());
    file.write_all_at("text".as_bytes(), 0).unwrap();
    let map = Map::bytes(4)
        .from(&file, 0)
        .with_kind(Private)
        .with(perms::Read)
        .unwrap();
    let copy = bytes_of(&map);
    let text = core::str::from_utf8(&copy).unwrap();
    file.write_all_at(&[0xff; 4], 0).unwrap();
    assert_eq!(text, "text", "what was lent as text stays text");
    assert_eq!(
        bytes_of(&map),
        [0xff; 4],
        "and the map shows what others write"
    );
}

#[test]
fn a_leaked_view_of_a_truncated_file_is_an_error() {
    sound!(Leak::mapped(page()), {
        let file = disk_file(page());
        let view = Map::bytes(page())
            .from(&file, 0)
            .with(perms::Read)
            .unwrap()
            .leak();
        file.set_len(0).unwrap();
        assert_eq!(view.read_at(0, &mut [0]).unwrap_err().errno(), Errno::FAULT);
        for chunk in view.chunks(100) {
            assert_eq!(
                chunk.copy_to(&mut [0; 100]).unwrap_err().errno(),
                Errno::FAULT
            );
        }
    });
}

#[test]
fn truncation_between_looking_and_mapping() {
    sound!({
        let file = disk_file(2 * page());
        let source = mmarinus::Source::of(&file).unwrap();
        file.set_len(0).unwrap();
        let map = Map::whole(&source).with(perms::Read).unwrap();
        assert_eq!(map.read_at(0, &mut [0]).unwrap_err().errno(), Errno::FAULT);
        let error = Map::whole(&source)
            .populate()
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::FAULT);
    });
}
