//! Rung 1: copies by `read_at` and `write_at`, on every backing, up to and past each bound.

use std::fs::File;

use mmarinus::backing::{self, Backing, Written};
use mmarinus::kind::Kind;
use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Map, Private, ProtFlags, Shared};

use crate::common::{
    anonymous, bytes_of, disk_file, exposed, file_map, memory_file, page, patterned, shared,
};
use crate::raw::{keep_present_device, present, stable, write_device};
use crate::testing::{features, skip};

/// Offsets and lengths that do not lie in a map of `len` bytes.
fn outside(len: usize) -> Vec<(usize, usize)> {
    let mut outside = vec![
        (len, 1),
        (len + 1, 0),
        (len - 1, 2),
        (0, len + 1),
        (1, len),
        (len + page(), 1),
    ];
    for far in [
        usize::MAX,
        usize::MAX - 1,
        usize::MAX - 4095,
        isize::MAX as usize,
        usize::MAX - len + 1,
    ] {
        outside.extend([(far, 0), (far, 1), (far, len)]);
    }
    outside
}

/// Asserts that bytes come back as they were written, and that nothing outside is copied.
fn assert_copies<P, K: Kind, B: Backing<K> + Written<K>>(mut map: Map<P, K, B>)
where
    P: perms::MayRead + perms::MayWrite,
{
    let len = map.len();
    let new: Vec<u8> = (0..len).map(|i| (i * 7 + 3) as u8).collect();
    map.write_at(0, &new).unwrap();
    let mut expected = new;
    assert_eq!(bytes_of(&map), expected);

    // Parts, over the borders of pages too.
    for (offset, size) in [
        (0, 0),
        (0, 1),
        (1, 7),
        (page() - 1, 2),
        (page() - 100, 300),
        (len - 1, 1),
        (len, 0),
    ] {
        let bytes: Vec<u8> = (0..size).map(|i| (i + offset) as u8 ^ 0x55).collect();
        map.write_at(offset, &bytes).unwrap();
        expected[offset..offset + size].copy_from_slice(&bytes);
        let mut back = vec![0; size];
        map.read_at(offset, &mut back).unwrap();
        assert_eq!(back, bytes);
    }
    assert_eq!(bytes_of(&map), expected, "nothing else changed");

    for (offset, size) in outside(len) {
        let mut bytes = vec![9; size];
        let fault = map.read_at(offset, &mut bytes).unwrap_err();
        assert_eq!(
            (fault.errno(), fault.copied(), fault.offset()),
            (Errno::INVAL, 0, offset)
        );
        assert!(
            bytes.iter().all(|&byte| byte == 9),
            "the buffer is not touched"
        );
        let fault = map.write_at(offset, &bytes).unwrap_err();
        assert_eq!(
            (fault.errno(), fault.copied(), fault.offset()),
            (Errno::INVAL, 0, offset)
        );
        assert!(fault.to_string().contains("must lie in the map"), "{fault}");
    }
    assert_eq!(bytes_of(&map), expected, "the map is not touched");
}

#[test]
fn every_backing_is_copied() {
    for len in [2 * page(), 3 * page() - 5, 2 * page() + 1] {
        assert_copies(anonymous(len));
        assert_copies(shared(len));
        assert_copies(exposed(len));
        assert_copies(shared(len).expose());
        assert_copies(file_map(len, Private));
        assert_copies(file_map(len, Shared));
        assert_copies(stable(len, Private, perms::ReadWrite));
        assert_copies(stable(len, Shared, perms::ReadWrite));
        assert_copies(present(len, Private, perms::ReadWrite));
        assert_copies(present(len, Shared, perms::ReadWriteExecute));
        assert_copies(anonymous(len).forget_permissions());
        assert_copies(shared(len).forget_permissions());
        assert_copies(file_map(len, Shared).forget_permissions());
    }
}

#[test]
fn copies_start_at_the_asked_byte() {
    let file = disk_file(4 * page());
    let source = mmarinus::Source::of(&file).unwrap();
    let mut map = Map::bytes(2 * page())
        .from_source(&source, 77)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(bytes_of(&map), patterned(77, 2 * page()));
    map.write_at(page(), b"here").unwrap();
    let mut expected = patterned(77, 2 * page());
    expected[page()..page() + 4].copy_from_slice(b"here");
    assert_eq!(bytes_of(&map), expected);
    // The rest of the pages exists, and is outside all the same.
    assert_eq!(
        map.read_at(2 * page(), &mut [0]).unwrap_err().errno(),
        Errno::INVAL
    );
}

#[test]
fn a_copy_beside_others_is_right_at_every_length() {
    // Rung 2 copies by assembly: all its branches, against memory that is copied plainly.
    let len = 3000;
    let map = shared(2 * len);
    let source: Vec<u8> = (0..2 * len).map(|i| (i * 31 + i / 256) as u8).collect();
    let view = map.view(..).unwrap();
    view.write_at(0, &source).unwrap();
    let mut buffer = vec![0_u8; len + 64];
    for size in (0..700).chain([1023, 1024, 1025, 2047, 2048, 2049, len]) {
        for (from, to) in [(0, 0), (1, 0), (0, 1), (3, 8), (15, 7), (63, 17)] {
            buffer.fill(0xaa);
            view.read_at(from, &mut buffer[to..to + size]).unwrap();
            assert_eq!(
                buffer[to..to + size],
                source[from..from + size],
                "{size} bytes from {from} to {to}"
            );
            assert!(
                buffer[..to]
                    .iter()
                    .chain(&buffer[to + size..])
                    .all(|&byte| byte == 0xaa)
            );
        }
    }
    for size in (0..200).chain([511, 512, 513, 777, len]) {
        for (from, to) in [(0, 0), (1, 0), (0, 1), (9, 5)] {
            let target = shared(len + 64);
            target
                .view(..)
                .unwrap()
                .write_at(to, &source[from..from + size])
                .unwrap();
            let bytes = bytes_of(&target);
            assert_eq!(
                bytes[to..to + size],
                source[from..from + size],
                "{size} bytes from {from} to {to}"
            );
            assert!(
                bytes[..to]
                    .iter()
                    .chain(&bytes[to + size..])
                    .all(|&byte| byte == 0)
            );
        }
    }
}

#[test]
fn a_read_stops_where_the_file_ends() {
    for file in [disk_file(4 * page()), memory_file(4 * page())] {
        let map = Map::bytes(4 * page())
            .from(&file, 0)
            .with(perms::Read)
            .unwrap();
        file.set_len(2 * page() as u64).unwrap();
        for start in [
            0,
            1,
            page() - 1,
            page(),
            2 * page() - 1,
            2 * page(),
            2 * page() + 5,
            4 * page() - 1,
        ] {
            let mut bytes = vec![9; 4 * page() - start];
            let fault = map.read_at(start, &mut bytes).unwrap_err();
            let copied = (2 * page()).saturating_sub(start);
            assert_eq!(fault.errno(), Errno::FAULT);
            assert_eq!(
                (fault.copied(), fault.offset()),
                (copied, start + copied),
                "from {start}"
            );
            assert_eq!(bytes[..copied], patterned(start, copied));
            assert!(bytes[copied..].iter().all(|&byte| byte == 9));
        }
        let mut bytes = vec![0; 2 * page()];
        map.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, patterned(0, 2 * page()));
    }
}

#[test]
fn a_write_stops_where_the_file_ends() {
    fn assert_stops<K: Kind>(kind: K) {
        let file = disk_file(4 * page());
        let mut map = Map::bytes(4 * page())
            .from(&file, 0)
            .with_kind(kind)
            .with(perms::ReadWrite)
            .unwrap();
        file.set_len(3 * page() as u64).unwrap();
        let fault = map.write_at(page() / 2, &vec![7; 3 * page()]).unwrap_err();
        assert_eq!(fault.errno(), Errno::FAULT);
        assert_eq!(
            (fault.copied(), fault.offset()),
            (3 * page() - page() / 2, 3 * page())
        );
        let mut bytes = vec![0; 3 * page()];
        map.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes[..page() / 2], patterned(0, page() / 2));
        assert!(bytes[page() / 2..].iter().all(|&byte| byte == 7));
        assert_eq!(map.write_at(3 * page(), &[1]).unwrap_err().copied(), 0);
    }
    assert_stops(Private);
    assert_stops(Shared);
}

#[test]
fn a_file_that_grows_is_readable_again() {
    let file = disk_file(2 * page());
    let mut map = Map::bytes(2 * page())
        .from(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    map.write_at(0, &[7; 10]).unwrap();
    file.set_len(0).unwrap();
    map.read_at(0, &mut [0]).unwrap_err();
    map.write_at(0, &[0]).unwrap_err();
    file.set_len(2 * page() as u64).unwrap();
    assert_eq!(
        bytes_of(&map),
        vec![0; 2 * page()],
        "what was written to the map is lost with the page"
    );
}

#[test]
fn remembered_permissions_are_checked() {
    fn assert_checked<K: Kind, B: Backing<K> + Written<K>>(map: Map<perms::ReadWrite, K, B>) {
        use ProtFlags as P;
        let mut map = map.forget_permissions();
        for prot in [
            P::empty(),
            P::READ,
            P::WRITE,
            P::EXEC,
            P::READ | P::WRITE,
            P::READ | P::EXEC,
            P::WRITE | P::EXEC,
            P::READ | P::WRITE | P::EXEC,
        ] {
            map = map.reprotect(Unknown(prot)).unwrap();
            assert_eq!(map.permissions(), prot);
            let read = map.read_at(1, &mut [0; 3]);
            let write = map.write_at(1, &[5; 3]);
            let view = map.view(1..4).unwrap();
            let viewed = view.read_at(0, &mut [0; 3]);
            for (result, allowed) in [
                (read, prot.contains(P::READ)),
                (viewed, prot.contains(P::READ)),
                (write, prot.contains(P::WRITE)),
            ] {
                match result {
                    Ok(()) => assert!(allowed, "{prot:?}"),
                    Err(fault) => {
                        assert!(!allowed, "{prot:?}: {fault}");
                        assert_eq!((fault.errno(), fault.copied()), (Errno::ACCESS, 0));
                        assert!(fault.to_string().contains("reprotect"), "{fault}");
                    }
                }
            }
            // The range is checked as well, and first.
            assert_eq!(
                map.read_at(usize::MAX, &mut [0]).unwrap_err().errno(),
                Errno::INVAL
            );
        }
    }
    assert_checked(anonymous(page()));
    assert_checked(shared(page()));
    assert_checked(exposed(page()));
    assert_checked(file_map(page(), Private));
    assert_checked(file_map(page(), Shared));
    assert_checked(stable(page(), Shared, perms::ReadWrite));
    assert_checked(present(page(), Private, perms::ReadWrite));
}

#[test]
fn pages_that_are_only_written() {
    let mut map = anonymous(page()).reprotect(perms::Write).unwrap();
    map.write_at(5, b"hello").unwrap();
    assert_eq!(&map.reprotect(perms::Read).unwrap()[5..10], b"hello");
    let mut map = file_map(page(), Shared).reprotect(perms::Write).unwrap();
    map.write_at(5, b"hello").unwrap();
    let map = map.reprotect(perms::Read).unwrap();
    assert_eq!(&bytes_of(&map)[5..10], b"hello");
}

#[test]
fn a_device_is_read_by_copies() {
    let zero = File::open("/dev/zero").unwrap();
    let map = Map::bytes(2 * page() + 3)
        .from_device(&zero, 0)
        .with(perms::Read)
        .unwrap();
    let mut bytes = vec![9; page()];
    map.read_at(page() / 2, &mut bytes).unwrap();
    assert!(bytes.iter().all(|&byte| byte == 0));
    for (offset, size) in outside(map.len()) {
        assert_eq!(
            map.read_at(offset, &mut vec![0; size]).unwrap_err().errno(),
            Errno::INVAL
        );
    }
}

#[test]
fn a_device_is_written_by_a_promise() {
    let zero = File::open("/dev/zero").unwrap();
    let mut map = Map::bytes(2 * page())
        .from_device(&zero, 0)
        .with(perms::ReadWrite)
        .unwrap();
    write_device(&mut map, 10, b"hello").unwrap();
    assert_eq!(&bytes_of(&map)[8..17], b"\0\0hello\0\0");
    assert_eq!(
        write_device(&mut map, 2 * page() - 1, b"he")
            .unwrap_err()
            .errno(),
        Errno::INVAL
    );
    let mut map = map
        .forget_permissions()
        .reprotect(Unknown(ProtFlags::READ))
        .unwrap();
    assert_eq!(
        write_device(&mut map, 0, b"he").unwrap_err().errno(),
        Errno::ACCESS
    );
    let map: Map<_, Private, backing::Present> =
        keep_present_device(map.reprotect(perms::ReadWrite).unwrap());
    assert_copies(map);
}

#[test]
fn a_copy_may_be_larger_than_one_call_makes() {
    if features::guest().is_there {
        skip!("an emulated CPU needs a minute for it");
    }
    // One process_vm_readv stops at 2,147,479,552 bytes.
    let len = 2_147_479_552 + 3 * page();
    let info = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .unwrap_or("0");
    let available: usize = line
        .split_whitespace()
        .next()
        .unwrap_or("0")
        .parse()
        .unwrap();
    if usize::BITS < 64 || available < 4 << 20 {
        skip!("a copy of 2 GiB needs 4 GiB of memory, and {available} kB are available");
    }
    // A map of pages that are all the same page of zeros, but for the last.
    let zero = File::open("/dev/zero").unwrap();
    let mut source = Map::bytes(len)
        .from_device(&zero, 0)
        .with(perms::ReadWrite)
        .unwrap();
    write_device(&mut source, len - 5, b"hello").unwrap();
    let mut target = anonymous(len);
    source.read_at(0, &mut target).unwrap();
    assert_eq!(&target[len - 6..], b"\0hello");
}

#[test]
fn plain_copies_are_the_slice() {
    let mut map = anonymous(2 * page());
    map.write_at(page() - 2, b"abcd").unwrap();
    assert_eq!(&map[page() - 3..page() + 3], b"\0abcd\0");
    map[7] = 9;
    let mut byte = [0];
    map.read_at(7, &mut byte).unwrap();
    assert_eq!(byte, [9]);
}
