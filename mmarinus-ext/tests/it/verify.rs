//! Descriptors that claim to be a memfd in some state: `TryFrom<OwnedFd>`, against whoever sent them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};

use mmarinus::{Errno, perms};
use mmarinus_ext::memfd::{Broadcast, Memfd, Open, Sealed, SizeSealed, State};
use mmarinus_sys::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create,
};
use rustix::fs::{Mode, OFlags};

use crate::common::{ALL, foreign, mappings, open_descriptors, page, patterned, sparse};
use crate::testing::in_child;

/// What is said of a descriptor that is not in a state; it must come back.
fn refusal<S: State>(file: File) -> (Errno, String) {
    let inode = |file: &File| rustix::fs::fstat(file).unwrap().st_ino;
    let before = inode(&file);
    let error = Memfd::<S>::try_from(OwnedFd::from(file)).unwrap_err();
    let answer = (error.errno(), error.to_string());
    assert_eq!(inode(&File::from(error.into_inner())), before);
    answer
}

/// The same file by another description, opened with these flags.
fn reopened(file: &File, flags: OFlags) -> File {
    let path = format!("/proc/self/fd/{}", rustix::fd::AsRawFd::as_raw_fd(file));
    File::from(rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap())
}

/// Descriptors that are no memfd at all.
fn strangers() -> Vec<File> {
    let (reader, writer) = std::io::pipe().unwrap();
    let (stream, _) = std::os::unix::net::UnixStream::pair().unwrap();
    let files: [OwnedFd; 8] = [
        reader.into(),
        writer.into(),
        stream.into(),
        std::net::UdpSocket::bind("127.0.0.1:0")
            .map_or_else(|_| File::open("/").unwrap().into(), Into::into),
        File::open("/").unwrap().into(),
        File::open("/dev/null").unwrap().into(),
        File::open("/proc/self/maps").unwrap().into(),
        tempfile::tempfile().unwrap().into(),
    ];
    files.into_iter().map(File::from).collect()
}

#[test]
fn what_is_no_memfd_is_refused_in_every_state() {
    for file in strangers() {
        let again = || file.try_clone().unwrap();
        for (errno, text) in [
            refusal::<Open>(again()),
            refusal::<SizeSealed>(again()),
            refusal::<Broadcast>(again()),
            refusal::<Sealed>(again()),
        ] {
            // Files of a tmpfs have seals as well: that they cannot be sealed.
            assert_eq!(errno, Errno::INVAL, "{text}");
            assert!(text.contains("memfd"), "{text}");
        }
    }
}

#[test]
fn each_missing_seal_is_named() {
    for (seals, missing) in [
        (ALL.difference(SealFlags::WRITE), "F_SEAL_WRITE"),
        (ALL.difference(SealFlags::SHRINK), "F_SEAL_SHRINK"),
        (ALL.difference(SealFlags::GROW), "F_SEAL_GROW"),
        (
            ALL.difference(SealFlags::WRITE) | SealFlags::FUTURE_WRITE,
            "F_SEAL_WRITE",
        ),
    ] {
        let (errno, text) = refusal::<Sealed>(foreign(10, seals));
        assert_eq!(errno, Errno::INVAL);
        assert!(text.contains(&format!("lacks {missing},")), "{text}");
    }
    let (_, text) = refusal::<Sealed>(foreign(10, SealFlags::empty()));
    assert!(
        text.contains("F_SEAL_SHRINK and F_SEAL_GROW and F_SEAL_WRITE"),
        "{text}"
    );
    let (_, text) = refusal::<SizeSealed>(foreign(10, SealFlags::SHRINK));
    assert!(text.contains("lacks F_SEAL_GROW,"), "{text}");
    let (_, text) = refusal::<Broadcast>(foreign(10, SealFlags::SHRINK | SealFlags::GROW));
    assert!(text.contains("lacks F_SEAL_FUTURE_WRITE,"), "{text}");
}

#[test]
fn an_open_file_has_no_seals_and_can_get_them() {
    for seals in [
        SealFlags::SHRINK,
        SealFlags::GROW,
        SealFlags::WRITE,
        SealFlags::FUTURE_WRITE,
    ] {
        let (errno, text) = refusal::<Open>(foreign(10, seals));
        assert_eq!(errno, Errno::INVAL);
        assert!(text.contains("sealed already"), "{text}");
    }
    let unsealable = File::from(memfd_create(c"unsealable", MemfdFlags::CLOEXEC).unwrap());
    let (_, text) = refusal::<Open>(unsealable);
    assert!(text.contains("F_SEAL_SEAL"), "{text}");
    let memfd = Memfd::<Open>::try_from(foreign(10, SealFlags::empty())).unwrap();
    assert_eq!(memfd.len().unwrap(), 10);
}

#[test]
fn more_seals_than_needed_do_no_harm() {
    let more = ALL | SealFlags::FUTURE_WRITE | SealFlags::SEAL;
    let fixed = Memfd::<SizeSealed>::try_from(foreign(10, more)).unwrap();
    assert!(fixed.write_at(0, b"x").is_err());
    let broadcast = Memfd::<Broadcast>::try_from(foreign(10, more)).unwrap();
    assert_eq!(broadcast.len(), 10);
    let sealed = Memfd::<Sealed>::try_from(foreign(10, more)).unwrap();
    assert_eq!(sealed.map().with(perms::Read).unwrap()[..], patterned(10));
}

#[test]
fn the_way_in_which_it_was_opened_counts() {
    let file = foreign(10, SealFlags::empty());
    let (errno, text) = refusal::<Open>(reopened(&file, OFlags::RDONLY));
    assert_eq!(errno, Errno::BADF);
    assert!(text.contains("not open for writing"), "{text}");
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    let (errno, text) = refusal::<SizeSealed>(reopened(&file, OFlags::WRONLY));
    assert_eq!(errno, Errno::BADF);
    assert!(text.contains("not open for reading"), "{text}");
    let (errno, text) = refusal::<SizeSealed>(reopened(&file, OFlags::PATH));
    assert_eq!(errno, Errno::BADF);
    assert!(text.contains("O_PATH"), "{text}");
    // Who only reads may be given a descriptor that only reads.
    let fixed = Memfd::<SizeSealed>::try_from(reopened(&file, OFlags::RDONLY)).unwrap();
    assert!(fixed.write_at(0, b"x").is_err());
    assert_eq!(fixed.seal().unwrap_err().errno(), Errno::PERM);
    fcntl_add_seals(&file, ALL).unwrap();
    let sealed = Memfd::<Sealed>::try_from(reopened(&file, OFlags::RDONLY)).unwrap();
    assert_eq!(sealed.map().with(perms::Read).unwrap()[..], patterned(10));
}

#[test]
fn a_sealed_file_with_holes_is_refused_at_no_cost() {
    let huge = 1_u64 << 44;
    for (len, written) in [
        (huge, 0),
        (10 * page() as u64, 9 * page()),
        (2 * page() as u64 + 1, 2 * page()),
    ] {
        let file = sparse(len, SealFlags::empty());
        std::os::unix::fs::FileExt::write_all_at(&file, &patterned(written), 0).unwrap();
        fcntl_add_seals(&file, ALL).unwrap();
        let again = file.try_clone().unwrap();
        let (errno, text) = refusal::<Sealed>(file);
        assert_eq!(errno, Errno::INVAL);
        assert!(
            text.contains(&format!("holes: memory for {written} of its {len} bytes")),
            "{text}"
        );
        assert_eq!(
            rustix::fs::fstat(&again).unwrap().st_blocks as usize * 512,
            written
        );
        // Of a fixed size it may be, holes and all.
        assert_eq!(Memfd::<SizeSealed>::try_from(again).unwrap().len(), len);
    }
}

#[test]
fn memory_past_the_end_hides_a_hole_only_for_its_own_price() {
    let file = sparse(8 * page() as u64, SealFlags::empty());
    let len = 8 * page() as u64;
    fallocate(&file, FallocateFlags::KEEP_SIZE, len, len).unwrap();
    fcntl_add_seals(&file, ALL).unwrap();
    let sealed = Memfd::<Sealed>::try_from(file).unwrap();
    assert_eq!(
        rustix::fs::fstat(&sealed).unwrap().st_blocks as u64 * 512,
        2 * len
    );
    assert_eq!(
        sealed.map().with(perms::Read).unwrap()[..],
        vec![0; 8 * page()]
    );
}

#[test]
fn memory_that_was_given_but_never_touched_is_no_hole() {
    let file = sparse(0, SealFlags::empty());
    fallocate(&file, FallocateFlags::empty(), 0, 4 * page() as u64).unwrap();
    fcntl_add_seals(&file, ALL).unwrap();
    let sealed = Memfd::<Sealed>::try_from(file).unwrap();
    assert_eq!(
        sealed.map().with(perms::Read).unwrap()[..],
        vec![0; 4 * page()]
    );
}

#[test]
fn the_position_that_the_sender_shares_stays() {
    let mut file = foreign(3 * page(), ALL);
    file.seek(SeekFrom::Start(5)).unwrap();
    let sealed = Memfd::<Sealed>::try_from(file.try_clone().unwrap()).unwrap();
    let mut bytes = [0; 3];
    sealed.read_at(100, &mut bytes).unwrap();
    let _map = sealed.map().with(perms::Read).unwrap();
    assert_eq!(file.stream_position().unwrap(), 5);
    file.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes[..], patterned(8)[5..]);
}

#[test]
fn a_file_without_permissions_is_verified_all_the_same() {
    let file = foreign(page(), ALL);
    rustix::fs::fchmod(&file, Mode::empty()).unwrap();
    let sealed = Memfd::<Sealed>::try_from(file).unwrap();
    assert_eq!(
        sealed.map().with(perms::Read).unwrap()[..],
        patterned(page())
    );
}

#[test]
fn what_is_refused_leaks_nothing() {
    let status = in_child!({
        let before = (open_descriptors(), mappings());
        for _ in 0..20 {
            for file in strangers() {
                drop(Memfd::<Sealed>::try_from(file).unwrap_err());
            }
            drop(
                Memfd::<Sealed>::try_from(sparse(1 << 40, ALL))
                    .unwrap_err()
                    .into_inner(),
            );
            drop(Memfd::<SizeSealed>::try_from(foreign(10, ALL)).unwrap());
            let error = Memfd::<Open>::try_from(foreign(10, ALL)).unwrap_err();
            assert_eq!(
                std::io::Error::from(error).raw_os_error(),
                Some(Errno::INVAL.raw_os_error())
            );
        }
        let memfd = Memfd::<Sealed>::try_from(foreign(10, ALL)).unwrap();
        let _borrowed = memfd.as_fd();
        drop(memfd);
        assert_eq!((open_descriptors(), mappings()), before);
    });
    assert!(status.success(), "{status}");
}
