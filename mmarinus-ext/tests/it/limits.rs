//! The limit of a file's size: to pass it ends a process by SIGXFSZ, so nothing here may pass it.

use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::AsFd;

use mmarinus::Errno;
use mmarinus_ext::ipc::Pool;
use mmarinus_ext::memfd::{Memfd, Sealed, SizeSealed};
use mmarinus_ext::secret::Secret;
use mmarinus_ext::snapshot::{self, Options};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::{foreign, page, patterned};
use crate::testing::in_child;

/// Allows files of so many bytes.
fn allow(bytes: usize) {
    let limit = Rlimit {
        current: Some(bytes as u64),
        ..getrlimit(Resource::Fsize)
    };
    setrlimit(Resource::Fsize, limit).unwrap();
}

/// That this is the limit's doing, and says so.
fn is_limit(error: impl Into<std::io::Error>) -> bool {
    let error = error.into();
    error.kind() == ErrorKind::FileTooLarge && !error.to_string().is_empty()
}

#[test]
fn a_file_in_memory_gets_no_longer_than_allowed() {
    let status = in_child!({
        let allowed = 3 * page();
        let longer = foreign(allowed + 1, mmarinus_sys::SealFlags::empty());
        allow(allowed);
        let error = Memfd::create("long", allowed as u64 + 1).unwrap_err();
        assert_eq!(error.errno(), Errno::FBIG);
        let text = error.to_string();
        assert!(
            text.contains("RLIMIT_FSIZE") && text.contains(&allowed.to_string()),
            "{text}"
        );
        let mut memfd = Memfd::create("long", allowed as u64).unwrap();
        for len in [allowed as u64 + 1, 1 << 40, i64::MAX as u64] {
            assert_eq!(memfd.set_len(len).unwrap_err().errno(), Errno::FBIG);
        }
        memfd.set_len(allowed as u64).unwrap();

        // What lies past it is not written, and what would cross it is not written either.
        assert!(is_limit(memfd.write_at(allowed as u64, b"x").unwrap_err()));
        assert!(is_limit(
            memfd.write_at(allowed as u64 - 1, b"xy").unwrap_err()
        ));
        assert!(is_limit(memfd.write_at(u64::MAX, b"x").unwrap_err()));
        memfd.write_at(allowed as u64 - 1, b"x").unwrap();
        memfd.write_at(1 << 40, b"").unwrap();
        memfd.seek(SeekFrom::Start(allowed as u64 - 2)).unwrap();
        assert!(is_limit(memfd.write_all(b"abc").unwrap_err()));
        memfd.seek(SeekFrom::Start(allowed as u64 - 2)).unwrap();
        memfd.write_all(b"ab").unwrap();
        assert!(is_limit(memfd.write(b"c").unwrap_err()));
        assert_eq!((&memfd).write(b"").unwrap(), 0);
        let mut tail = [0; 2];
        memfd.read_at(allowed as u64 - 2, &mut tail).unwrap();
        assert_eq!(&tail, b"ab");
        memfd.rewind().unwrap();
        assert!(is_limit(
            memfd.write_from(&patterned(allowed + 1)[..]).unwrap_err()
        ));
        memfd.rewind().unwrap();
        assert_eq!(
            memfd.write_from(&patterned(allowed)[..]).unwrap(),
            allowed as u64
        );
        memfd.rewind().unwrap();
        // From a file, which std would let the kernel copy.
        assert!(is_limit(memfd.write_from(&longer).unwrap_err()));
        assert_eq!(memfd.seal().unwrap().len(), allowed as u64);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_file_that_is_longer_already_is_written_up_to_the_limit() {
    let status = in_child!({
        let memfd = Memfd::create("long", 9 * page() as u64).unwrap();
        let sealed = memfd.seal_size().unwrap();
        allow(4 * page());
        let fd = sealed.as_fd().try_clone_to_owned().unwrap();
        let mut theirs = Memfd::<SizeSealed>::try_from(fd).unwrap();
        assert!(is_limit(
            theirs.write_at(8 * page() as u64, b"x").unwrap_err()
        ));
        theirs.seek(SeekFrom::Start(5 * page() as u64)).unwrap();
        assert!(is_limit(theirs.write(b"x").unwrap_err()));
        // No limit of what is punched and sealed, which makes nothing longer.
        theirs.punch_hole(5 * page() as u64, page() as u64).unwrap();
        assert_eq!(theirs.seal().unwrap().len(), 9 * page() as u64);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_snapshot_is_no_longer_than_allowed() {
    let status = in_child!({
        let allowed = 3 * page();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, len| {
            let path = folder.path().join(name);
            std::fs::write(&path, patterned(len)).unwrap();
            path
        };
        let (fits, longer) = (file("fits", allowed), file("longer", allowed + 1));
        let sealed = foreign(9 * page(), crate::common::ALL);
        let memory = foreign(9 * page(), mmarinus_sys::SealFlags::empty());
        allow(allowed);
        assert_eq!(snapshot::load(&fits).unwrap().len(), allowed as u64);
        let error = snapshot::load(&longer).unwrap_err();
        assert!(error.to_string().contains("RLIMIT_FSIZE"), "{error}");
        assert!(is_limit(error));
        assert!(is_limit(snapshot::of(&memory).unwrap_err()));
        assert!(is_limit(snapshot::load("/dev/zero").unwrap_err()));
        // A limit of its own that is lower says what it says.
        let lower = Options::new().limit(page() as u64);
        let error = lower.load(&longer).unwrap_err();
        assert!(error.to_string().contains("raise the limit"), "{error}");
        // What is sealed is not copied.
        assert_eq!(snapshot::of(&sealed).unwrap().len(), 9 * page() as u64);
        let (bytes, more) = (patterned(allowed), patterned(allowed + 1));
        assert_eq!(snapshot::read(&bytes[..]).unwrap().len(), allowed as u64);
        assert!(is_limit(snapshot::read(&more[..]).unwrap_err()));
        for (bytes, fits) in [(bytes, true), (more, false)] {
            let (reader, mut writer) = std::io::pipe().unwrap();
            let feeder = std::thread::spawn(move || writer.write_all(&bytes));
            let copied = snapshot::of(&reader);
            assert_eq!(
                copied.as_ref().map_or(0, Memfd::<Sealed>::len) != 0,
                fits,
                "{copied:?}"
            );
            assert!(fits || is_limit(copied.unwrap_err()));
            drop(reader);
            let _ = feeder.join().unwrap();
        }
        // None at all.
        allow(0);
        assert!(is_limit(snapshot::read(&b"x"[..]).unwrap_err()));
        assert!(snapshot::read(&b""[..]).unwrap().is_empty());
    });
    assert!(status.success(), "{status}");
}

#[test]
fn what_is_made_of_files_is_refused_as_well() {
    let status = in_child!({
        allow(page() / 2);
        let error = Pool::new(page()).take().unwrap_err();
        assert_eq!(error.errno(), Errno::FBIG);
        #[cfg(target_has_atomic = "64")]
        {
            use core::sync::atomic::AtomicU64;
            use mmarinus_ext::shared;
            assert!(is_limit(
                shared::file_slice::<AtomicU64>("row", page()).unwrap_err()
            ));
            assert!(shared::anonymous_slice::<AtomicU64>(page()).is_ok());
        }
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        let peer = mmarinus_ext::ring::Peer::behind(&near).unwrap();
        let error = mmarinus_ext::ring::Producer::create(1, peer).unwrap_err();
        assert!(error.to_string().contains("RLIMIT_FSIZE"), "{error}");
        // Memory of no file is not limited so; a secret in a file is refused or is none.
        let secret = Secret::new(page());
        assert!(secret.is_err() || !secret.unwrap().is_hidden());
        let mut buffer = mmarinus_ext::grow::Buffer::<u8>::new(1 << 20).unwrap();
        buffer.resize(1 << 20, 1).unwrap();
    });
    assert!(status.success(), "{status}");
}
