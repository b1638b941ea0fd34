//! Snapshots of files, pipes, sockets and readers, also of such as change or never end.

use core::sync::atomic::{AtomicBool, Ordering};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use mmarinus::{Errno, perms};
use mmarinus_ext::memfd::{Memfd, Sealed};
use mmarinus_ext::snapshot::{self, Options};
use mmarinus_sys::{SealFlags, fcntl_get_seals};

use crate::common::{ALL, foreign, open_descriptors, page, patterned, sparse};
use crate::testing::{in_child, skip};

/// All bytes of a snapshot, once as a slice and once by the descriptor.
fn bytes_of(snapshot: &Memfd<Sealed>) -> Vec<u8> {
    let map = snapshot.map().with(perms::Read).unwrap();
    let mut bytes = vec![1; map.len()];
    snapshot.read_at(0, &mut bytes).unwrap();
    assert_eq!(map[..], bytes);
    assert!(fcntl_get_seals(snapshot).unwrap().contains(ALL));
    bytes
}

fn inode(file: impl std::os::fd::AsFd) -> u64 {
    rustix::fs::fstat(file).unwrap().st_ino
}

#[test]
fn a_file_is_copied_whole_from_its_first_byte_on() {
    for len in [0, 1, page() - 1, page(), 5 * page() + 3, (3 << 20) + 1] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&patterned(len)).unwrap();
        file.seek(SeekFrom::Start(len as u64 / 2)).unwrap();
        let snapshot = snapshot::of(&file).unwrap();
        assert_eq!(bytes_of(&snapshot), patterned(len));
        assert_eq!(file.stream_position().unwrap(), len as u64 / 2);
        // Whatever becomes of the file.
        let map = snapshot.map().with(perms::Read).unwrap();
        file.set_len(0).unwrap();
        assert_eq!(map[..], patterned(len));
    }
}

#[test]
fn a_memory_file_is_copied_until_it_is_sealed() {
    let file = foreign(3 * page() + 1, SealFlags::empty());
    let copy = snapshot::of(&file).unwrap();
    assert_eq!(bytes_of(&copy), patterned(3 * page() + 1));
    file.write_all_at(b"changed", 0).unwrap();
    assert_eq!(bytes_of(&copy), patterned(3 * page() + 1));
    // What holds still already is not copied.
    let sealed = foreign(page(), ALL);
    let same = snapshot::of(&sealed).unwrap();
    assert_eq!(inode(&same), inode(&sealed));
    assert_eq!(inode(snapshot::of(&same).unwrap()), inode(&sealed));
    let limited = Options::new()
        .limit(page() as u64 - 1)
        .of(&sealed)
        .unwrap_err();
    assert_eq!(limited.kind(), ErrorKind::FileTooLarge);
    // Unless it has holes.
    let holes = sparse(3 * page() as u64, ALL);
    let whole = snapshot::of(&holes).unwrap();
    assert_ne!(inode(&whole), inode(&holes));
    assert_eq!(bytes_of(&whole), vec![0; 3 * page()]);
}

#[test]
fn holes_of_a_file_become_zeros() {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(b"end", 40 * page() as u64).unwrap();
    let bytes = bytes_of(&snapshot::of(&file).unwrap());
    assert_eq!(bytes.len(), 40 * page() + 3);
    assert!(bytes[..40 * page()].iter().all(|&byte| byte == 0) && bytes.ends_with(b"end"));
}

#[test]
fn files_that_the_kernel_makes_up_are_read() {
    let status = snapshot::load("/proc/self/status").unwrap();
    assert!(bytes_of(&status).starts_with(b"Name:"));
    let mounts = snapshot::load("/proc/self/mounts").unwrap();
    assert!(!mounts.is_empty());
    let osrelease = snapshot::load("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(
        bytes_of(&osrelease),
        std::fs::read("/proc/sys/kernel/osrelease").unwrap()
    );
    if let Ok(expected) = std::fs::read("/sys/kernel/mm/transparent_hugepage/enabled") {
        let enabled = snapshot::load("/sys/kernel/mm/transparent_hugepage/enabled").unwrap();
        assert_eq!(bytes_of(&enabled), expected);
    }
    // The whole of a long one, not only what one read gives.
    let maps = snapshot::load("/proc/self/maps").unwrap();
    assert!(bytes_of(&maps).ends_with(b"\n"));
}

#[test]
fn pipes_sockets_and_readers_are_read_to_their_end() {
    let bytes = patterned(300_000);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (near, mut far) = UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(&bytes).unwrap();
            drop(writer);
        });
        assert_eq!(bytes_of(&snapshot::of(&reader).unwrap()), bytes);
        scope.spawn(|| {
            far.write_all(&bytes).unwrap();
            drop(far);
        });
        assert_eq!(bytes_of(&snapshot::of(&near).unwrap()), bytes);
    });
    let mut snapshot = snapshot::read(&bytes[..]).unwrap();
    assert_eq!(bytes_of(&snapshot), bytes);
    // It can be read from its beginning.
    let mut head = [0; 10];
    snapshot.read_exact(&mut head).unwrap();
    assert_eq!(head, bytes[..10]);
    assert_eq!(
        bytes_of(&snapshot::of(&File::open("/dev/null").unwrap()).unwrap()),
        []
    );
}

#[test]
fn the_limit_is_exact() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&patterned(1000)).unwrap();
    let exact = Options::new().limit(1000);
    let less = Options::new().limit(999);
    assert_eq!(exact.of(&file).unwrap().len(), 1000);
    assert_eq!(exact.read(&patterned(1000)[..]).unwrap().len(), 1000);
    assert_eq!(less.of(&file).unwrap_err().kind(), ErrorKind::FileTooLarge);
    assert_eq!(
        less.read(&patterned(1000)[..]).unwrap_err().kind(),
        ErrorKind::FileTooLarge
    );
    assert_eq!(
        less.read(std::io::repeat(7)).unwrap_err().kind(),
        ErrorKind::FileTooLarge
    );
    let text = less.load("/dev/zero").unwrap_err().to_string();
    assert!(text.contains("999 bytes"), "{text}");
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&patterned(1000)).unwrap();
    drop(writer);
    assert_eq!(
        less.of(&reader).unwrap_err().kind(),
        ErrorKind::FileTooLarge
    );
    let none = Options::new().limit(0).named("nothing");
    assert_eq!(none.load("/dev/null").unwrap().len(), 0);
    assert_eq!(none.of(&file).unwrap_err().kind(), ErrorKind::FileTooLarge);
    assert_eq!(
        none.load("/proc/self/status").unwrap_err().kind(),
        ErrorKind::FileTooLarge
    );
    assert_eq!(Options::default().read(&b"x"[..]).unwrap().len(), 1);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    assert_eq!(
        snapshot::load("/").unwrap_err().kind(),
        ErrorKind::IsADirectory
    );
    assert_eq!(
        snapshot::load("/no such file").unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let folder = tempfile::tempdir().unwrap();
    let writer = File::create(folder.path().join("written")).unwrap();
    let error = snapshot::of(&writer).unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::BADF));
    let (near, _far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    assert_eq!(
        snapshot::of(&near).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    let broken = snapshot::read(Broken).unwrap_err();
    assert_eq!(broken.to_string(), "broken");
    let name = "n".repeat(300);
    let error = Options::new().named(&name).read(&b""[..]).unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::INVAL));
}

/// Gives some bytes, and then an error.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("broken"))
    }
}

#[test]
fn a_file_that_grows_and_shrinks_meanwhile_is_what_was_read() {
    let file = tempfile::tempfile().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut len = 0;
            while !stop.load(Ordering::Relaxed) {
                len = (len + 7 * page() + 1) % (100 * page());
                file.set_len(0).unwrap();
                file.write_all_at(&vec![7; len], 0).unwrap();
            }
        });
        for _ in 0..30 {
            let snapshot = Options::new().limit(1 << 30).of(&file).unwrap();
            let map = snapshot.map().with(perms::Read).unwrap();
            assert_eq!(map.len() as u64, snapshot.len());
            assert!(map.iter().all(|byte| [0, 7].contains(byte)));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_fails_leaks_nothing() {
    let status = in_child!({
        let before = open_descriptors();
        for _ in 0..10 {
            let less = Options::new().limit(10);
            assert!(less.load("/dev/zero").is_err());
            assert!(less.load("/proc/self/status").is_err());
            assert!(less.of(&foreign(100, ALL)).is_err());
            assert!(snapshot::load("/").is_err());
            assert!(snapshot::read(Broken).is_err());
            assert!(snapshot::load("/proc/self/status").is_ok());
        }
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success(), "{status}");
}

/// How often this process has called `read`, and what counts as it. Only meaningful in a child.
fn reads() -> Option<usize> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    let line = io.lines().find_map(|line| line.strip_prefix("syscr: "))?;
    line.parse().ok()
}

#[test]
fn the_kernel_copies_where_it_can() {
    if reads().is_none() {
        skip!("the kernel does not count reads");
    }
    let status = in_child!({
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&patterned(16 << 20)).unwrap();
        let memory = foreign(16 << 20, SealFlags::empty());
        for source in [&file, &memory] {
            let before = reads().unwrap();
            assert_eq!(snapshot::of(source).unwrap().len(), 16 << 20);
            // By buffers it would be hundreds.
            let calls = reads().unwrap() - before;
            assert!(calls < 32, "{calls}");
        }
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_snapshot_is_mapped_again_and_again() {
    crate::testing::sound!({
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        let bytes = patterned(5 * page() + 7);
        std::fs::write(&path, &bytes).unwrap();
        let snapshot = snapshot::load(&path).unwrap();
        // Whatever becomes of the file.
        std::fs::write(&path, b"rewritten").unwrap();
        let first = snapshot.map().with(perms::Read).unwrap();
        std::fs::remove_file(&path).unwrap();
        for round in 0..100 {
            let again = snapshot.map().with(perms::Read).unwrap();
            assert_ne!(again.addr(), first.addr());
            assert!(again[..] == first[..] && again[..] == bytes);
            // Written copies are the map's own.
            let mut copy = snapshot.map().with(perms::ReadWrite).unwrap();
            copy.fill(round);
            let part = snapshot.map_range(page() as u64 + 3, 100).with(perms::Read);
            assert_eq!(part.unwrap()[..], first[page() + 3..][..100]);
        }
        // Many at once, the last of which needs no descriptor any more.
        let many: Vec<_> = (0..100)
            .map(|_| snapshot.map().with(perms::Read).unwrap())
            .collect();
        drop((snapshot, first));
        assert!(many.iter().all(|map| map[..] == bytes));
    });
}
