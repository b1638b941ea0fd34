//! Safe programs where memory may not be overcommitted: touching a hole in a file in memory is SIGBUS there.
//!
//! They run in the guests of `cargo xtask vm` only, one after the other, and put back what they changed.
#![forbid(unsafe_code)]

#[path = "../../testing/mod.rs"]
mod testing;

#[path = "it/common.rs"]
mod common;

use std::os::unix::fs::FileExt;

use mmarinus::{Errno, Map, Shared, perms};
use mmarinus_ext::ipc::Pool;
use mmarinus_ext::memfd::{Memfd, Sealed};
use mmarinus_ext::ring::{Peer, Producer, Ring, SetupError};
use mmarinus_ext::snapshot;
use mmarinus_sys::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals};

use crate::common::{ALL, page, sparse};
use crate::testing::machine::Machine;
use crate::testing::{needs, sound};

/// What the kernel may still promise in these tests, about.
const SLACK: usize = 16 << 20;

/// Far more than that.
const MUCH: u64 = 64 << 20;

/// A machine that promises no more than it has.
fn strict() -> Machine {
    let mut machine = Machine::alone();
    machine.set("vm/overcommit_memory", 2);
    machine
}

/// Takes what the kernel may still promise, but for the slack. It is never written, so the machine's memory stays free.
fn exhaust() -> Vec<Map<perms::ReadWrite>> {
    let take = |len| Map::bytes(len).anonymously().with(perms::ReadWrite);
    let slack = take(SLACK).expect("some memory");
    let mut held = Vec::with_capacity(4096);
    let mut len = 256 << 20;
    while len >= page() {
        match take(len) {
            Ok(map) => held.push(map),
            Err(_) => len /= 2,
        }
    }
    drop(slack);
    held
}

#[test]
fn holes_without_memory_keep_a_file_open() {
    needs!(guest);
    let _machine = strict();
    sound!({
        let memfd = Memfd::create("sparse", MUCH).unwrap();
        memfd.write_at(MUCH - 5, b"bytes").unwrap();
        let held = exhaust();
        let error = memfd.seal().unwrap_err();
        assert!(
            [Errno::NOMEM, Errno::NOSPC].contains(&error.errno()),
            "{error}"
        );
        assert!(
            error.to_string().contains("vm.overcommit_memory"),
            "{error}"
        );
        // Open as before, and sealed once there is memory.
        let memfd = error.into_inner();
        drop(held);
        memfd.write_at(0, b"bytes").unwrap();
        let sealed = memfd.seal().unwrap();
        let map = sealed.map().with(perms::Read).unwrap();
        assert!(map.starts_with(b"bytes") && map.ends_with(b"bytes"));
    });
}

#[test]
fn holes_that_a_peer_hides_are_an_error() {
    needs!(guest);
    let _machine = strict();
    sound!({
        // As many blocks as bytes, but past the end.
        let file = sparse(MUCH, SealFlags::empty());
        fallocate(&file, FallocateFlags::KEEP_SIZE, MUCH, MUCH).unwrap();
        file.write_all_at(b"bytes", 0).unwrap();
        fcntl_add_seals(&file, ALL).unwrap();
        let plain = sparse(MUCH, ALL);
        let held = exhaust();
        let error = Memfd::<Sealed>::try_from(plain).unwrap_err();
        assert!(error.to_string().contains("has holes"), "{error}");
        let error = Memfd::<Sealed>::try_from(file).unwrap_err();
        assert!(
            [Errno::FAULT, Errno::NOMEM, Errno::NOSPC].contains(&error.errno()),
            "{error}"
        );
        drop(held);
        let sealed = Memfd::<Sealed>::try_from(error.into_inner()).unwrap();
        assert!(
            sealed
                .map()
                .with(perms::Read)
                .unwrap()
                .starts_with(b"bytes")
        );
    });
}

#[test]
fn files_of_a_fixed_size_are_copied_and_not_mapped() {
    needs!(guest);
    let _machine = strict();
    sound!({
        let memfd = Memfd::create("fixed", page() as u64)
            .unwrap()
            .seal_size()
            .unwrap();
        memfd.write_at(0, b"bytes").unwrap();
        let error = memfd
            .map()
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap_err();
        assert!(
            error.to_string().contains("vm.overcommit_memory is 2"),
            "{error}"
        );
        let error = memfd.broadcast().unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        assert!(
            error.to_string().contains("vm.overcommit_memory is 2"),
            "{error}"
        );
        let sealed = error.into_inner().seal().unwrap();
        assert!(
            sealed
                .map()
                .with(perms::Read)
                .unwrap()
                .starts_with(b"bytes")
        );
        let error = Pool::new(page()).take().unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
    });
}

#[test]
fn a_snapshot_that_does_not_fit_is_an_error() {
    needs!(guest);
    let _machine = strict();
    sound!({
        let fits = snapshot::read(&[7; 1000][..]).unwrap();
        assert_eq!(fits.map().with(perms::Read).unwrap()[..], [7; 1000]);
        let held = exhaust();
        let endless = snapshot::load("/dev/zero").unwrap_err();
        let errno = Errno::from_io_error(&endless);
        assert!(
            [Some(Errno::NOMEM), Some(Errno::NOSPC)].contains(&errno),
            "{endless}"
        );
        drop(held);
    });
}

#[test]
fn a_ring_of_one_process_needs_no_file_and_one_in_a_file_is_refused() {
    needs!(guest);
    let _machine = strict();
    sound!({
        let (mut producer, mut consumer) = Ring::new(1 << 20).unwrap().split().unwrap();
        let held = exhaust();
        let bytes = vec![7; 1 << 20];
        let mut came = vec![0; 1 << 20];
        for _ in 0..3 {
            assert_eq!(producer.try_write(&bytes), Ok(bytes.len()));
            assert_eq!(consumer.try_read(&mut came), Ok(bytes.len()));
            assert_eq!(came, bytes);
        }
        drop(held);
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        match Producer::create(1, Peer::behind(&near).unwrap()) {
            Err(SetupError::Map(error)) => {
                assert_eq!(error.errno(), Errno::INVAL);
                assert!(error.to_string().contains("overcommit"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    });
}
