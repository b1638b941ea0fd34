//! Buffers that are used again: `Pool`.

use std::fs::File;
use std::os::fd::AsFd;

use core::sync::atomic::{AtomicU64, Ordering};
use mmarinus::Errno;
use mmarinus_ext::ipc::Pool;
use mmarinus_ext::memfd::{Memfd, SizeSealed};
use mmarinus_sys::{SealFlags, fcntl_add_seals};

use crate::common::{mappings, never_overcommits, open_descriptors, page};
use crate::testing::{in_child, skip};

#[test]
fn a_buffer_keeps_its_file_its_map_and_its_bytes() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let mut pool = Pool::new(3 * page());
    let mut buffer = pool.take().unwrap();
    assert_eq!(buffer.len(), 3 * page());
    let (inode, addr) = (rustix::fs::fstat(&buffer).unwrap().st_ino, buffer.addr());
    buffer.write_at(5, b"left over").unwrap();
    assert!(buffer.write_at(3 * page() - 1, b"too long").is_err());
    pool.give_back(buffer);
    assert_eq!((pool.made(), pool.free()), (1, 1));
    let mut buffer = pool.take().unwrap();
    assert_eq!(
        (rustix::fs::fstat(&buffer).unwrap().st_ino, buffer.addr()),
        (inode, addr)
    );
    let mut bytes = [0; 9];
    buffer.read_at(5, &mut bytes).unwrap();
    assert_eq!(&bytes, b"left over");
    buffer.clear().unwrap();
    buffer.read_at(5, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 9]);
    buffer.atomics::<AtomicU64>(..).unwrap()[0].store(1, Ordering::Relaxed);
    // What a peer gets is a file of a fixed size.
    let theirs =
        Memfd::<SizeSealed>::try_from(buffer.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(theirs.len() as usize, 3 * page());
}

#[test]
fn no_more_than_asked_for_are_kept() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let status = in_child!({
        let before = (open_descriptors(), mappings());
        let mut pool = Pool::new(page()).keep(2);
        let buffers: Vec<_> = (0..5).map(|_| pool.take().unwrap()).collect();
        assert_eq!((pool.made(), open_descriptors()), (5, before.0 + 5));
        buffers
            .into_iter()
            .for_each(|buffer| pool.give_back(buffer));
        assert_eq!((pool.free(), open_descriptors()), (2, before.0 + 2));
        // One of another pool is not taken for ours.
        let mut other = Pool::new(2 * page());
        drop(pool.take().unwrap());
        pool.give_back(other.take().unwrap());
        assert_eq!((pool.free(), pool.take().unwrap().len()), (1, page()));
        drop((pool, other));
        assert_eq!((open_descriptors(), mappings()), before);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_peer_that_seals_a_buffer_spoils_only_that_one() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let mut pool = Pool::new(page());
    let mut buffer = pool.take().unwrap();
    let theirs = File::from(buffer.as_fd().try_clone_to_owned().unwrap());
    assert_eq!(fcntl_add_seals(&theirs, SealFlags::WRITE), Err(Errno::BUSY));
    fcntl_add_seals(&theirs, SealFlags::FUTURE_WRITE | SealFlags::SEAL).unwrap();
    buffer.write_at(0, b"still ours").unwrap();
    assert_eq!(buffer.clear().unwrap_err().errno(), Errno::PERM);
    drop(buffer);
    pool.take().unwrap().clear().unwrap();
    assert_eq!(pool.made(), 2);
}

#[test]
fn odd_sizes_are_served_or_refused() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let mut empty = Pool::new(0);
    let mut buffer = empty.take().unwrap();
    buffer.clear().unwrap();
    assert!(buffer.is_empty());
    let mut odd = Pool::new(page() + 1);
    assert_eq!(odd.take().unwrap().len(), page() + 1);
    for len in [usize::MAX, isize::MAX as usize] {
        assert!(Pool::new(len).take().is_err());
    }
}
