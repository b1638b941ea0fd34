//! Buffers that are used again: `Pool`.

use std::fs::File;
use std::os::fd::AsFd;

use core::sync::atomic::{AtomicU64, Ordering};
use mmarinus::{Errno, Shared, perms};
use mmarinus_ext::ipc::{Maps, Pool};
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
fn a_buffer_of_another_pool_is_not_handed_out() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (mut ours, mut theirs) = (Pool::new(page()), Pool::new(page()));
    let mut buffer = theirs.take().unwrap();
    buffer.write_at(0, b"for another peer").unwrap();
    // What the other peer has received, and could read and write for ever.
    let spy = Memfd::<SizeSealed>::try_from(buffer.as_fd().try_clone_to_owned().unwrap());
    let spy = spy.unwrap().map().with_kind(Shared).with(perms::ReadWrite);
    ours.give_back(buffer);
    assert_eq!(ours.free(), 0);
    let mut buffer = ours.take().unwrap();
    buffer.write_at(0, b"for ours alone").unwrap();
    let mut bytes = [0; 16];
    spy.unwrap().read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"for another peer");
    ours.give_back(buffer);
    assert_eq!((ours.made(), ours.free()), (1, 1));
    // One whose pool is gone is nobody's either, wherever the next pool lies in memory.
    let orphan = theirs.take().unwrap();
    drop(theirs);
    let mut later = Pool::new(page());
    later.give_back(orphan);
    assert_eq!(later.free(), 0);
}

/// The file of a buffer, as a peer receives it: by a descriptor of its own.
fn received(buffer: &impl AsFd) -> Memfd<SizeSealed> {
    Memfd::try_from(buffer.as_fd().try_clone_to_owned().unwrap()).unwrap()
}

#[test]
fn a_buffer_that_comes_again_is_not_mapped_again() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let mut pool = Pool::new(page());
    let buffers: Vec<_> = (0..3).map(|_| pool.take().unwrap()).collect();
    let mut maps = Maps::new();
    let mut addresses = Vec::new();
    for round in 0..4_u8 {
        for (index, buffer) in buffers.iter().enumerate() {
            buffer
                .view(..)
                .unwrap()
                .write_at(0, &[round, index as u8])
                .unwrap();
            let map = maps.map(received(buffer)).unwrap();
            let mut bytes = [0; 2];
            map.read_at(0, &mut bytes).unwrap();
            assert_eq!(bytes, [round, index as u8]);
            map.view(..).unwrap().write_at(9, b"seen").unwrap();
            match addresses.get(index) {
                None => addresses.push(map.addr()),
                Some(addr) => assert_eq!(map.addr(), *addr),
            }
        }
    }
    assert_eq!((maps.made(), maps.kept()), (3, 3));
    // Its file lives as long as its map: a number that is free again is no other file's meanwhile.
    drop((pool, buffers));
    for _ in 0..100 {
        let mut other = Pool::new(page());
        let buffer = other.take().unwrap();
        let map = maps.map(received(&buffer)).unwrap();
        let mut bytes = [1; 4];
        map.read_at(9, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 4]);
    }
    assert_eq!((maps.made(), maps.kept()), (103, 16));
}

#[test]
fn a_peer_with_ever_new_files_takes_no_more_than_was_allowed() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let status = in_child!({
        let before = (open_descriptors(), mappings());
        for keep in [0, 1, 2, 5] {
            let mut maps = Maps::new().keep(keep);
            let files: Vec<_> = (0..8)
                .map(|_| Memfd::create("new", 1).unwrap().seal_size().unwrap())
                .collect();
            let file = |index: usize| files[index].try_clone().unwrap();
            for index in 0..8 {
                maps.map(file(index)).unwrap();
                assert!(maps.kept() <= keep.max(1));
            }
            // The last ones are there, and stay if they are used.
            maps.map(file(7)).unwrap();
            assert_eq!(maps.made(), 8);
            maps.map(file(0)).unwrap();
            assert_eq!(maps.made(), 9);
        }
        assert_eq!((open_descriptors(), mappings()), before);
        // One that cannot be written is an error, and nothing is lost by it.
        let mut maps = Maps::default();
        let open = Memfd::create("read only", 1).unwrap().seal_size().unwrap();
        maps.map(open.try_clone().unwrap()).unwrap();
        let sealed = Memfd::create("sealed", 1).unwrap().seal_size().unwrap();
        fcntl_add_seals(&sealed, SealFlags::WRITE).unwrap();
        assert_eq!(maps.map(sealed).unwrap_err().errno(), Errno::PERM);
        maps.map(open).unwrap();
        assert_eq!((maps.made(), maps.kept()), (1, 1));
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
