//! From state to state: what sealing forbids, what is in its way, and what comes back.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use mmarinus::{Errno, Private, Shared, perms};
use mmarinus_ext::memfd::{Broadcast, Memfd, Open, Sealed, SizeSealed};
use mmarinus_sys::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals};

use crate::common::{ALL, mappings, never_overcommits, open_descriptors, page, patterned};
use crate::testing::{in_child, skip};

/// Nothing here takes longer, also where it is emulated.
const PATIENCE: Duration = Duration::from_secs(30);

/// Blocks of 512 bytes.
fn blocks(file: impl std::os::fd::AsFd) -> usize {
    rustix::fs::fstat(file).unwrap().st_blocks as usize
}

/// A second descriptor of the same file, as a peer has one.
fn peer<S: mmarinus_ext::memfd::State>(memfd: &Memfd<S>) -> File {
    File::from(memfd.try_clone().unwrap())
}

#[test]
fn a_sealed_file_never_changes_again() {
    let mut memfd = Memfd::create("sealed", 0).unwrap();
    memfd.write_all(&patterned(page() + 7)).unwrap();
    let sealed = memfd.seal().unwrap();
    assert_eq!(sealed.len() as usize, page() + 7);
    assert!(
        fcntl_get_seals(&sealed)
            .unwrap()
            .contains(ALL | SealFlags::SEAL)
    );
    let map = sealed.map().with(perms::Read).unwrap();
    let file = peer(&sealed);
    for refused in [
        file.write_all_at(b"x", 0).unwrap_err(),
        file.set_len(0).unwrap_err(),
        file.set_len(1 << 20).unwrap_err(),
    ] {
        assert_eq!(Errno::from_io_error(&refused), Some(Errno::PERM));
    }
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    assert_eq!(fallocate(&file, punch, 0, 1), Err(Errno::PERM));
    assert!(
        sealed
            .map()
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .is_err()
    );
    assert_eq!(map[..], patterned(page() + 7));
}

#[test]
fn holes_get_their_memory_before_a_file_is_sealed() {
    let memfd = Memfd::create("sparse", 0).unwrap();
    memfd.set_len(100 * page() as u64 + 1).unwrap();
    memfd.write_at(50 * page() as u64, b"island").unwrap();
    assert_eq!(blocks(&memfd) * 512, page());
    let sealed = memfd.seal().unwrap();
    assert_eq!(blocks(&sealed) * 512, 101 * page());
    // Also by the strictest account, which leaves out pages that were never touched.
    let path = format!(
        "/proc/self/fd/{}",
        rustix::fd::AsRawFd::as_raw_fd(&peer(&sealed))
    );
    if let Ok(other) = File::open(path) {
        let hole = rustix::fs::seek(&other, rustix::fs::SeekFrom::Hole(0)).unwrap();
        assert_eq!(hole, sealed.len());
    }
    let map = sealed.map().with(perms::Read).unwrap();
    assert_eq!(&map[50 * page()..][..7], b"island\0");
}

#[test]
fn what_lies_past_the_end_does_not_stand_for_a_hole() {
    let memfd = Memfd::create("beyond", 8 * page() as u64).unwrap();
    let beyond = 8 * page() as u64;
    fallocate(&memfd, FallocateFlags::KEEP_SIZE, beyond, beyond).unwrap();
    assert_eq!(blocks(&memfd) * 512, 8 * page());
    let sealed = memfd.seal().unwrap();
    assert_eq!(blocks(&sealed) * 512, 16 * page());
    assert!(
        sealed
            .map()
            .with(perms::Read)
            .unwrap()
            .iter()
            .all(|&byte| byte == 0)
    );
}

#[test]
fn a_writable_map_is_in_the_way_and_is_named() {
    let memfd = Memfd::create("busy", page() as u64).unwrap();
    let map = memfd
        .map()
        .unwrap()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let error = memfd.seal().unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    let text = error.to_string();
    let holder = format!("this process maps it for writing at 0x{:x}", map.addr());
    assert!(text.contains(&holder), "{text}");
    // Nothing has happened to the file.
    let memfd = error.into_inner();
    assert!(!fcntl_get_seals(&memfd).unwrap().intersects(ALL));
    memfd.write_at(0, b"still open").unwrap();
    drop(map);
    let sealed = memfd.seal().unwrap();
    assert!(
        sealed
            .map()
            .with(perms::Read)
            .unwrap()
            .starts_with(b"still open")
    );
}

#[test]
fn a_map_that_only_reads_may_be_in_the_way_as_well() {
    let memfd = Memfd::create("busy", page() as u64).unwrap();
    let map = memfd
        .map()
        .unwrap()
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    let error = memfd.seal().unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    assert!(error.to_string().contains("for reading at"), "{error}");
    drop(map);
    // A private one is not, whatever it may write.
    let memfd = error.into_inner();
    let private = memfd
        .map()
        .unwrap()
        .with_kind(Private)
        .with(perms::ReadWrite)
        .unwrap();
    memfd.seal().unwrap();
    drop(private);
}

#[test]
fn many_maps_in_the_way_are_counted() {
    let memfd = Memfd::create("busy", page() as u64).unwrap();
    let maps: Vec<_> = (0..7)
        .map(|_| {
            memfd
                .map()
                .unwrap()
                .with_kind(Shared)
                .with(perms::ReadWrite)
                .unwrap()
        })
        .collect();
    let text = memfd.seal().unwrap_err().to_string();
    assert!(text.contains("and 3 more"), "{text}");
    assert_eq!(text.matches("maps it").count(), 4, "{text}");
    assert_eq!(maps.len(), 7);
}

#[test]
fn pages_in_a_pipe_are_in_the_way_without_a_map() {
    let memfd = Memfd::create("piped", page() as u64).unwrap();
    memfd.write_at(0, &[1]).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut offset = 0;
    let flags = rustix::pipe::SpliceFlags::empty();
    let moved = rustix::pipe::splice(&memfd, Some(&mut offset), &writer, None, page(), flags);
    assert_eq!(moved, Ok(page()));
    match memfd.seal() {
        // Since Linux 6.5 a splice of such a file refers to its pages; before, too, but some kernels copy.
        Ok(sealed) => assert_eq!(sealed.map().with(perms::Read).unwrap()[0], 1),
        Err(error) => {
            assert_eq!(error.errno(), Errno::BUSY);
            assert!(error.to_string().contains("no map is seen"), "{error}");
            drop((reader, writer));
            // A child that another test starts at this moment holds the pipe until it executes its program.
            let mut memfd = error.into_inner();
            let begin = Instant::now();
            let sealed = loop {
                match memfd.seal() {
                    Err(error) if begin.elapsed() < PATIENCE => memfd = error.into_inner(),
                    sealed => break sealed,
                }
            };
            sealed.unwrap();
        }
    }
}

#[test]
fn a_file_of_a_fixed_size_is_written_and_shared() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let memfd = Memfd::create("fixed", 2 * page() as u64)
        .unwrap()
        .seal_size()
        .unwrap();
    assert_eq!(memfd.len() as usize, 2 * page());
    let map = memfd
        .map()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let words = map.atomics::<AtomicU64>(..).unwrap();
    memfd.write_at(0, &7_u64.to_ne_bytes()).unwrap();
    assert_eq!(words[0].load(Ordering::Relaxed), 7);
    words[1].store(8, Ordering::Relaxed);
    let mut bytes = [0; 8];
    memfd.read_at(8, &mut bytes).unwrap();
    assert_eq!(u64::from_ne_bytes(bytes), 8);
    // Neither longer nor shorter; and a hole in it is zeros, no fault.
    let file = peer(&memfd);
    assert!(file.set_len(0).is_err());
    assert!(file.set_len(1 << 20).is_err());
    assert!(memfd.write_at(2 * page() as u64, b"x").is_err());
    memfd.punch_hole(0, 2 * page() as u64).unwrap();
    assert_eq!(words[1].load(Ordering::Relaxed), 0);
    // While it is mapped it cannot be sealed; afterwards it can.
    let memfd = memfd.seal().unwrap_err().into_inner();
    drop(map);
    let sealed = memfd.seal().unwrap();
    assert_eq!(
        sealed.map().with(perms::Read).unwrap()[..],
        vec![0; 2 * page()]
    );
}

#[test]
fn a_broadcast_has_one_writer() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let memfd = Memfd::create("broadcast", page() as u64)
        .unwrap()
        .seal_size()
        .unwrap();
    let (mut writer, memfd) = memfd.broadcast().unwrap();
    let theirs = Memfd::<Broadcast>::try_from(OwnedFd::from(memfd.try_clone().unwrap())).unwrap();
    let reader = theirs.map().with_kind(Shared).with(perms::Read).unwrap();
    writer.write_at(0, b"news").unwrap();
    let mut bytes = [0; 4];
    reader.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"news");
    // No new way to write: not by a map, a call, a hole, or other permissions.
    let error = theirs
        .map()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::PERM);
    let file = File::from(theirs);
    assert!(file.write_all_at(b"x", 0).is_err());
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    assert_eq!(fallocate(&file, punch, 0, 1), Err(Errno::PERM));
    assert_eq!(
        reader.reprotect(perms::ReadWrite).unwrap_err().errno(),
        Errno::ACCESS
    );
    // As long as the writer lives the bytes are not sealed.
    let error = memfd.seal().unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    assert!(
        error
            .to_string()
            .contains(&format!("writing at 0x{:x}", writer.addr())),
        "{error}"
    );
    let memfd = error.into_inner();
    drop(writer);
    let sealed = memfd.seal().unwrap();
    assert!(sealed.map().with(perms::Read).unwrap().starts_with(b"news"));
}

#[test]
fn a_refused_broadcast_leaves_no_map() {
    let status = in_child!({
        let memfd = Memfd::create("no more", page() as u64)
            .unwrap()
            .seal_size()
            .unwrap();
        fcntl_add_seals(&memfd, SealFlags::SEAL).unwrap();
        let (maps, descriptors) = (mappings(), open_descriptors());
        let error = memfd.broadcast().unwrap_err();
        assert!(
            [Errno::PERM, Errno::INVAL].contains(&error.errno()),
            "{error}"
        );
        let memfd = error.into_inner();
        assert_eq!((mappings(), open_descriptors()), (maps, descriptors));
        assert_eq!(memfd.len() as usize, page());
    });
    assert!(status.success(), "{status}");
}

#[test]
fn further_seals_can_be_forbidden_by_a_peer() {
    let memfd = Memfd::create("theirs", 1).unwrap();
    fcntl_add_seals(peer(&memfd), SealFlags::SEAL).unwrap();
    let error = memfd.seal_size().unwrap_err();
    assert_eq!(error.errno(), Errno::PERM);
    assert!(error.to_string().contains("F_SEAL_SEAL"), "{error}");
    assert_eq!(error.into_inner().seal().unwrap_err().errno(), Errno::PERM);
    // If the peer sealed it in the very way that is asked for, that is as good.
    let memfd = Memfd::create("theirs", 1).unwrap();
    fcntl_add_seals(peer(&memfd), ALL | SealFlags::SEAL).unwrap();
    let sealed = memfd.seal().unwrap();
    assert_eq!(sealed.map().with(perms::Read).unwrap()[..], [0]);
}

#[test]
fn a_peer_that_punches_holes_while_we_seal_leaves_none() {
    for _ in 0..30 {
        let len = 64 * page();
        let mut memfd = Memfd::create("contended", 0).unwrap();
        memfd.write_all(&patterned(len)).unwrap();
        let file = peer(&memfd);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                while !stop.load(Ordering::Relaxed) {
                    if fallocate(&file, punch, 0, len as u64).is_err() {
                        break;
                    }
                }
            });
            let sealed = memfd.seal().unwrap();
            stop.store(true, Ordering::Relaxed);
            let map = sealed.map().with(perms::Read).unwrap();
            assert!(blocks(&sealed) * 512 >= len);
            // Whole pages of either: what was written, or what was punched.
            let (first, last) = (map[1], map[len - 1]);
            assert!([0, 1].contains(&first) && [0, patterned(len)[len - 1]].contains(&last));
        });
    }
}

#[test]
fn a_peer_that_changes_the_length_while_we_seal_is_measured_afterwards() {
    for _ in 0..50 {
        let memfd = Memfd::create("contended", 0).unwrap();
        let file = peer(&memfd);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut len = 0;
                while file.set_len(len).is_ok() {
                    len = (len + 3 * page() as u64 + 1) % (64 * page() as u64);
                }
            });
            let sealed = memfd.seal().unwrap();
            let map = sealed.map().with(perms::Read).unwrap();
            assert_eq!(map.len() as u64, sealed.len());
            assert!(map.iter().all(|&byte| byte == 0));
        });
    }
}

#[test]
fn states_are_verified_on_the_way_back() {
    let memfd = Memfd::create("around", 1).unwrap();
    let memfd = Memfd::<Open>::try_from(OwnedFd::from(memfd)).unwrap();
    let memfd = Memfd::<SizeSealed>::try_from(OwnedFd::from(memfd.seal_size().unwrap())).unwrap();
    let memfd =
        Memfd::<Broadcast>::try_from(OwnedFd::from(memfd.seal_future_writes().unwrap())).unwrap();
    let sealed = Memfd::<Sealed>::try_from(File::from(memfd.seal().unwrap())).unwrap();
    assert_eq!(sealed.len(), 1);
}
