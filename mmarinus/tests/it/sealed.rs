//! Maps of memory files by their seals: `from_sealed` and `from_size_sealed`.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::{Errno, Map, Private, Shared, perms};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::common::{bytes_of, disk_file, memory_file, page, patterned};

/// The seals that make a file hold still.
const ALL: SealFlags = SealFlags::WRITE
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW);

/// A memory file with the pattern in it and these seals.
fn sealed(len: usize, seals: SealFlags) -> File {
    let file = memory_file(len);
    fcntl_add_seals(&file, seals).expect("seals");
    file
}

#[test]
fn a_sealed_file_is_a_slice_of_either_kind() {
    let file = sealed(2 * page() + 10, ALL);
    let private = Map::bytes(2 * page() + 10)
        .from_sealed(&file, 0)
        .with(perms::Read)
        .unwrap();
    assert_eq!(private[..], patterned(0, 2 * page() + 10));
    if crate::common::older_than(6, 7) {
        return assert_eq!(private.len(), 2 * page() + 10); // A shared map of a file with the seal WRITE is EPERM there.
    }
    let shared = Map::bytes(page())
        .from_sealed(&file, 5)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    assert_eq!(shared[..], patterned(5, page()));
    assert_eq!(
        shared.reprotect(perms::ReadWrite).unwrap_err().errno(),
        Errno::ACCESS
    );
}

#[test]
fn what_is_written_to_a_private_map_stays_there() {
    let file = sealed(page(), ALL);
    let mut map = Map::bytes(page())
        .from_sealed(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    let twin = Map::bytes(page())
        .from_sealed(&file, 0)
        .with(perms::Read)
        .unwrap();
    map.fill(0xff);
    assert!(map.iter().all(|&byte| byte == 0xff));
    assert_eq!(twin[..], patterned(0, page()));
    let mut bytes = vec![0; page()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, patterned(0, page()));
}

#[test]
fn a_shared_map_of_a_sealed_file_is_not_written() {
    let file = sealed(page(), ALL);
    let error = Map::bytes(page())
        .from_sealed(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::PERM);
}

#[test]
fn permissions_without_reading_are_kept_after_the_pages_were_read() {
    let file = sealed(2 * page(), ALL);
    let map = Map::bytes(2 * page())
        .from_sealed(&file, 0)
        .with(perms::None)
        .unwrap();
    let vma = crate::common::Vma::of(&map);
    assert!(vma.perms.starts_with("---"), "{}", vma.perms);
    let map = map.reprotect(perms::Read).unwrap();
    assert_eq!(map[..], patterned(0, 2 * page()));
}

#[test]
fn holes_are_filled_before_a_slice_is_lent() {
    let file = File::from(
        memfd_create("sparse", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap(),
    );
    file.set_len(64 * page() as u64).unwrap();
    fcntl_add_seals(&file, ALL).unwrap();
    let allocated = || rustix::fs::fstat(&file).unwrap().st_blocks as usize * 512;
    assert_eq!(allocated(), 0);
    let map = Map::bytes(64 * page())
        .from_sealed(&file, 0)
        .with(perms::Read)
        .unwrap();
    assert_eq!(allocated(), 64 * page());
    assert!(map.iter().all(|&byte| byte == 0));
}

#[test]
fn each_missing_seal_is_named() {
    for (seals, missing) in [
        (ALL.difference(SealFlags::WRITE), "F_SEAL_WRITE"),
        (ALL.difference(SealFlags::SHRINK), "F_SEAL_SHRINK"),
        (ALL.difference(SealFlags::GROW), "F_SEAL_GROW"),
        (
            ALL.difference(SealFlags::WRITE)
                .union(SealFlags::FUTURE_WRITE),
            "F_SEAL_WRITE",
        ),
    ] {
        let file = sealed(page(), seals);
        let error = Map::bytes(page())
            .from_sealed(&file, 0)
            .with(perms::Read)
            .unwrap_err();
        assert!(error.to_string().contains(missing), "{error}");
    }
    let file = sealed(page(), SealFlags::GROW);
    let error = Map::bytes(page())
        .from_size_sealed(&file, 0)
        .with(perms::Read)
        .unwrap_err();
    assert!(error.to_string().contains("F_SEAL_SHRINK"), "{error}");
}

#[test]
fn what_cannot_be_sealed_is_refused_by_its_name() {
    let error = Map::bytes(page())
        .from_sealed(&disk_file(page()), 0)
        .with(perms::Read)
        .unwrap_err();
    // A file that lives in memory has seals, like a memfd, but not these.
    let word = match crate::testing::features::disk().is_there {
        true => "memfd_create",
        false => "F_SEAL_",
    };
    assert!(error.to_string().contains(word), "{error}");
    let directory = File::open("/").unwrap();
    let error = Map::bytes(page())
        .from_sealed(&directory, 0)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::ISDIR);
    let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
    let error = Map::bytes(page())
        .from_size_sealed(&socket, 0)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::NODEV);
}

#[test]
fn a_map_past_the_end_is_refused() {
    let file = sealed(page() + 10, ALL);
    for (size, offset) in [
        (page() + 11, 0),
        (11, page() as u64),
        (1, page() as u64 + 10),
        (1, u64::MAX),
        (usize::MAX, 1),
    ] {
        let error = Map::bytes(size)
            .from_sealed(&file, offset)
            .with(perms::Read)
            .unwrap_err();
        assert!(
            [Errno::INVAL, Errno::NOMEM].contains(&error.errno()),
            "{size} at {offset}: {error}"
        );
        let error = Map::bytes(size)
            .from_size_sealed(&file, offset)
            .with(perms::Read)
            .unwrap_err();
        assert!(
            [Errno::INVAL, Errno::NOMEM].contains(&error.errno()),
            "{size} at {offset}: {error}"
        );
    }
    let map = Map::bytes(10)
        .from_sealed(&file, page() as u64)
        .with(perms::Read)
        .unwrap();
    assert_eq!(map[..], patterned(page(), 10));
}

#[test]
fn a_size_sealed_file_has_atomics_whatever_its_peers_do() {
    let file = sealed(4 * page(), SealFlags::SHRINK);
    let map = Map::bytes(4 * page())
        .from_size_sealed(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let words = map.atomics::<AtomicU64>(..).unwrap();
    words[0].store(7, Ordering::Relaxed);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // A peer writes, punches holes and tries to truncate.
                file.write_all_at(&[9; 100], page() as u64).unwrap();
                let punch =
                    rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(&file, punch, 0, 4 * page() as u64).unwrap();
                assert!(file.set_len(0).is_err());
            }
        });
        for _ in 0..2000 {
            words.iter().step_by(64).for_each(|word| {
                word.fetch_add(1, Ordering::Relaxed);
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
    let private = Map::bytes(page())
        .from_size_sealed(&file, 0)
        .with_kind(Private)
        .with(perms::Read)
        .unwrap();
    assert_eq!(private.observe::<AtomicU64>(..8).unwrap().len(), 1);
}

#[test]
fn a_peer_that_seals_while_we_look_is_not_believed_too_early() {
    // The peer shrinks the file and seals it at once: a size that was seen before the seal would be a lie.
    for _ in 0..crate::testing::times(300) {
        let file = memory_file(2 * page());
        let peer = file.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                peer.set_len(page() as u64).unwrap();
                fcntl_add_seals(&peer, ALL).unwrap();
            });
            if let Ok(map) = Map::bytes(2 * page())
                .from_sealed(&file, 0)
                .with(perms::Read)
            {
                panic!("{map:?} reaches past the end");
            }
        });
        let map = Map::bytes(page())
            .from_sealed(&file, 0)
            .with(perms::Read)
            .unwrap();
        assert_eq!(bytes_of(&map), patterned(0, page()));
    }
}

#[test]
fn a_map_is_replaced_by_a_sealed_file() {
    let file = sealed(page(), ALL);
    let mut old = crate::common::anonymous(page());
    old.fill(1);
    let error = old
        .remap()
        .from_sealed(&disk_file(page()), 0)
        .with(perms::Read)
        .unwrap_err();
    let old = error.into_map().unwrap();
    assert!(old.iter().all(|&byte| byte == 1));
    let new = old.remap().from_sealed(&file, 0).with(perms::Read).unwrap();
    assert_eq!(new[..], patterned(0, page()));
}
