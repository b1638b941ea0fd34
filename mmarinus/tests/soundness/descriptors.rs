//! Descriptors that are not what they seem: swapped after the check, rings and devices, and those that outlive nothing.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mmarinus::{Errno, Map, Shared, Source, perms};

use crate::common::{bytes_of, disk_file, memory_file, page, patterned};
use crate::raw;
use crate::testing::{skip, sound};

/// Lends another descriptor each time it is asked.
struct Fickle {
    fds: Vec<OwnedFd>,
    asked: AtomicUsize,
}

impl Fickle {
    fn new(fds: impl IntoIterator<Item = OwnedFd>) -> Self {
        Self {
            fds: fds.into_iter().collect(),
            asked: AtomicUsize::new(0),
        }
    }
}

impl AsFd for Fickle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let asked = self.asked.fetch_add(1, Relaxed);
        self.fds[asked % self.fds.len()].as_fd()
    }
}

/// A memory file that is all sevens.
fn other() -> OwnedFd {
    let file = memory_file(0);
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![7; 2 * page()], 0).unwrap();
    file.into()
}

#[test]
fn the_descriptor_that_was_checked_is_the_one_that_is_mapped() {
    let fds = || [OwnedFd::from(disk_file(2 * page())), other()];
    let fickle = Fickle::new(fds());
    let map = Map::bytes(page())
        .from(&fickle, 5)
        .with(perms::Read)
        .unwrap();
    assert_eq!(bytes_of(&map), patterned(5, page()));
    let fickle = Fickle::new(fds());
    let source = Source::of(&fickle).unwrap();
    for _ in 0..3 {
        let map = Map::whole(&source).with(perms::Read).unwrap();
        assert_eq!(bytes_of(&map), patterned(0, 2 * page()));
    }
    let fickle = Fickle::new(fds());
    let map = Map::bytes(page())
        .from_device(&fickle, 0)
        .with(perms::Read)
        .unwrap();
    assert_eq!(bytes_of(&map), patterned(0, page()));
    let fickle = Fickle::new(fds());
    let map = memory_of(7)
        .remap()
        .from(&fickle, 0)
        .with(perms::Read)
        .unwrap();
    assert_eq!(bytes_of(&map), patterned(0, page()));
}

/// A page of memory that is all this byte.
fn memory_of(byte: u8) -> Map<perms::ReadWrite> {
    let mut map = crate::common::anonymous(page());
    map.fill(byte);
    map
}

#[test]
fn a_file_is_not_swapped_for_a_ring() {
    let ring = match raw::io_uring() {
        Ok(ring) => ring,
        Err(error) => skip!("io_uring_setup: {error}"),
    };
    let fickle = Fickle::new([disk_file(2 * page()).into(), ring]);
    let mut map = Map::bytes(page())
        .from(&fickle, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(bytes_of(&map), patterned(0, page()));
    map.write_at(0, &[0xff; 64]).unwrap();
    // And where the ring comes first, it is refused.
    let error = Map::bytes(page())
        .from(&fickle, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::NODEV, "{error}");
}

#[test]
fn a_file_is_not_swapped_for_huge_pages() {
    use rustix::fs::{MemfdFlags, memfd_create};
    let huge = || memfd_create("huge", MemfdFlags::HUGETLB);
    if let Err(errno) = huge() {
        skip!("huge pages: {errno}");
    }
    let fickle = Fickle::new([disk_file(page()).into(), huge().unwrap()]);
    let map = Map::bytes(page())
        .from(&fickle, 0)
        .with(perms::Read)
        .unwrap();
    assert_eq!(map.pages().1, page());
    for error in [
        Map::bytes(page())
            .from(&huge().unwrap(), 0)
            .with(perms::Read)
            .unwrap_err(),
        Map::bytes(page())
            .from_device(&huge().unwrap(), 0)
            .with(perms::Read)
            .unwrap_err(),
        memory_of(7)
            .remap()
            .from_device(&huge().unwrap(), 0)
            .with(perms::Read)
            .unwrap_err()
            .without_map(),
    ] {
        assert!(
            [Errno::FAULT, Errno::NOMEM, Errno::INVAL].contains(&error.errno()),
            "a length in ordinary pages would cover the neighbours: {error}"
        );
    }
}

#[test]
fn a_ring_is_never_a_file() {
    let ring = match raw::io_uring() {
        Ok(ring) => ring,
        Err(error) => skip!("io_uring_setup: {error}"),
    };
    // The submission queue, the completion queue and the entries.
    for offset in [0, 0x800_0000, 0x1000_0000] {
        let error = Map::bytes(page())
            .from(&ring, offset)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::NODEV, "{error}");
    }
    assert_eq!(Source::of(&ring).unwrap_err().errno(), Errno::NODEV);
}

#[test]
fn the_memory_of_the_machine_is_read_or_refused() {
    let Ok(memory) = File::open("/dev/mem") else {
        skip!("/dev/mem cannot be opened");
    };
    sound!({
        assert_eq!(
            Map::bytes(1)
                .from(&memory, 0)
                .with(perms::Read)
                .unwrap_err()
                .errno(),
            Errno::NODEV
        );
        for offset in [0, 0xf_0000, 1 << 30, 0xfee0_0000] {
            if let Ok(map) = Map::bytes(page())
                .from_device(&memory, offset)
                .with(perms::Read)
            {
                // Pages without a page structure are nothing that the kernel copies for us.
                match map.read_at(0, &mut [0; 64]) {
                    Ok(()) => {}
                    Err(fault) => assert_eq!(fault.errno(), Errno::FAULT, "{fault}"),
                }
            }
        }
    });
}

#[test]
fn a_closed_descriptor_does_not_matter_to_its_map() {
    let file = disk_file(page());
    let map = Map::bytes(page()).from(&file, 0).with(perms::Read).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&file);
    drop(file);
    // Most likely this takes the number of the one that was closed.
    let next = memory_file(page());
    println!(
        "{number} was closed, {} was opened",
        std::os::fd::AsRawFd::as_raw_fd(&next)
    );
    next.set_len(0).unwrap();
    assert_eq!(bytes_of(&map), patterned(0, page()));
}

#[test]
fn secret_memory_is_read_or_refused() {
    let file = match mmarinus_sys::memfd_secret(mmarinus_sys::MemfdSecretFlags::CLOEXEC) {
        Ok(fd) => File::from(fd),
        Err(errno) => skip!("memfd_secret: {errno}"),
    };
    file.set_len(page() as u64).unwrap();
    sound!({
        assert_eq!(Source::of(&file).unwrap_err().errno(), Errno::OPNOTSUPP);
        let map = Map::bytes(page())
            .from_device(&file, 0)
            .with_kind(Shared)
            .with(perms::Read)
            .unwrap();
        assert_eq!(map.read_at(0, &mut [0]).unwrap_err().errno(), Errno::FAULT);
    });
}

#[test]
fn what_others_may_close_is_not_mapped() {
    // Any code may put another file behind the standard descriptors, between the look at one and its map.
    fn assert_refused(fd: &impl AsFd) {
        for error in [
            Map::bytes(1).from(fd, 0).with(perms::Read).unwrap_err(),
            Map::bytes(1)
                .from_device(fd, 0)
                .with(perms::Read)
                .unwrap_err(),
            Source::of(fd).unwrap_err(),
            Source::device(fd).unwrap_err(),
            memory_of(7)
                .remap()
                .from(fd, 0)
                .with(perms::Read)
                .unwrap_err()
                .without_map(),
        ] {
            assert_eq!(error.errno(), Errno::INVAL, "{error}");
            assert!(error.to_string().contains("duplicate"), "{error}");
        }
    }
    assert_refused(&std::io::stdin());
    assert_refused(&std::io::stdout());
    assert_refused(&std::io::stderr());
}
