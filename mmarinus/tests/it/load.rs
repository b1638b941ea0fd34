//! Whole files by their path, and paths to what is no file.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use mmarinus::kind::Kind;
use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Error, Map, Private, ProtFlags, Shared};
use rustix::fs::{CWD, FileType, Mode};
use tempfile::TempDir;

use crate::common::{bytes_of, open_descriptors, page, patterned, without_privileges};
use crate::testing::in_child;

/// A directory with one file in it.
fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, bytes).unwrap();
    (directory, path)
}

/// Why a path is not loaded, for reading.
fn refusal(path: &std::path::Path) -> Error {
    Map::load(path, Private, perms::Read).unwrap_err()
}

#[test]
fn a_whole_file_is_mapped() {
    for len in [1, 100, page() - 1, page(), page() + 1, 10 * page()] {
        let (_directory, path) = file(&patterned(0, len));
        let map = Map::load(&path, Private, perms::Read).unwrap();
        assert_eq!(map.len(), len);
        assert_eq!(bytes_of(&map), patterned(0, len));
        let map = Map::load(&path, Shared, perms::Read).unwrap();
        assert_eq!(bytes_of(&map), patterned(0, len));
    }
}

#[test]
fn an_empty_file_is_an_empty_map() {
    let (_directory, path) = file(b"");
    let map = Map::load(&path, Private, perms::Read).unwrap();
    assert!(map.is_empty());
    assert_eq!(bytes_of(&map), b"");
    assert!(
        Map::load(&path, Shared, perms::ReadWrite)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn shared_maps_write_the_file() {
    let (_directory, path) = file(b"hello world");
    let mut map = Map::load(&path, Shared, perms::ReadWrite).unwrap();
    map.write_at(0, b"HELLO").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"HELLO world");
    let mut map = Map::load(&path, Shared, perms::Write).unwrap();
    map.write_at(6, b"W").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"HELLO World");
    let mut map = Map::load(&path, Shared, Unknown(ProtFlags::WRITE | ProtFlags::READ)).unwrap();
    map.write_at(10, b"D").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"HELLO WorlD");
}

#[test]
fn private_maps_do_not() {
    let (_directory, path) = file(b"hello world");
    let mut map = Map::load(&path, Private, perms::ReadWrite).unwrap();
    map.write_at(0, b"HELLO").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"hello world");
    assert_eq!(bytes_of(&map), b"HELLO world");
}

#[test]
fn a_file_is_opened_for_writing_only_where_that_is_needed() {
    let (_directory, path) = file(b"hello");
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    without_privileges(|| {
        assert_eq!(Map::load(&path, Private, perms::Read).unwrap().len(), 5);
        assert_eq!(
            Map::load(&path, Private, perms::ReadWrite).unwrap().len(),
            5
        );
        let map = Map::load(&path, Shared, perms::Read).unwrap();
        let error = Map::load(&path, Shared, perms::ReadWrite).unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::ACCESS, "open"));
        // What was opened for reading stays so.
        assert_eq!(
            map.reprotect(perms::ReadWrite).unwrap_err().errno(),
            Errno::ACCESS
        );
    });
}

#[test]
fn a_file_that_may_not_be_read() {
    let (_directory, path) = file(b"hello");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    let error = without_privileges(|| refusal(&path));
    assert_eq!((error.errno(), error.operation()), (Errno::ACCESS, "open"));
    assert!(
        error.to_string().contains("may not open the file"),
        "{error}"
    );
}

#[test]
fn paths_that_lead_nowhere() {
    let (directory, path) = file(b"hello");
    let error = refusal(&directory.path().join("missing"));
    assert_eq!((error.errno(), error.operation()), (Errno::NOENT, "open"));
    assert!(error.to_string().contains("no such file"), "{error}");
    let error = refusal(&path.join("below"));
    assert_eq!(error.errno(), Errno::NOTDIR, "{error}");
    let error = refusal("".as_ref());
    assert_eq!(error.errno(), Errno::NOENT, "{error}");
    assert!(refusal("a\0b".as_ref()).to_string().contains("open"));
    let long = "x".repeat(5000);
    assert_eq!(refusal(long.as_ref()).errno(), Errno::NAMETOOLONG);
}

#[test]
fn directories() {
    fn assert_directory<K: Kind, P: perms::Permissions>(kind: K, perms: P) {
        let error = Map::load("/", kind, perms).unwrap_err();
        assert_eq!(error.errno(), Errno::ISDIR, "{error}");
        assert!(error.to_string().contains("directory"), "{error}");
    }
    assert_directory(Private, perms::Read);
    assert_directory(Shared, perms::Read);
    assert_directory(Shared, perms::ReadWrite);
}

#[test]
fn pipes_do_not_wait_for_a_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let error = refusal(&path);
    assert_eq!(error.errno(), Errno::NODEV, "{error}");
    assert!(error.to_string().contains("pipe"), "{error}");
    let error = Map::load(&path, Shared, perms::ReadWrite).unwrap_err();
    assert_eq!(error.errno(), Errno::NODEV, "{error}");
}

#[test]
fn sockets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    let error = refusal(&path);
    assert_eq!(error.errno(), Errno::NXIO, "{error}");
    assert!(error.to_string().contains("socket"), "{error}");
}

#[test]
fn devices_and_files_that_the_kernel_makes_up() {
    for (path, errno) in [
        ("/dev/zero", Errno::NODEV),
        ("/dev/null", Errno::NODEV),
        ("/proc/self/maps", Errno::OPNOTSUPP),
        ("/proc/self/mem", Errno::OPNOTSUPP),
        ("/sys/kernel/uevent_seqnum", Errno::OPNOTSUPP),
    ] {
        let error = refusal(path.as_ref());
        // A file of sysfs may be missing.
        assert!(
            [errno, Errno::NOENT].contains(&error.errno()),
            "{path}: {error}"
        );
    }
    assert_eq!(
        refusal("/proc/self/maps".as_ref()).errno(),
        Errno::OPNOTSUPP
    );
}

#[test]
fn a_terminal_is_not_taken_over() {
    // Opening /dev/tty fails without a terminal, and else it is a character device.
    let error = refusal("/dev/tty".as_ref());
    assert!(
        [Errno::NXIO, Errno::NODEV, Errno::NOENT].contains(&error.errno()),
        "{error}"
    );
}

#[test]
fn descriptors_are_not_kept() {
    let status = in_child!({
        let (directory, path) = file(b"hello");
        let before = open_descriptors();
        for _ in 0..50 {
            let map = Map::load(&path, Private, perms::Read).unwrap();
            assert_eq!(
                open_descriptors(),
                before,
                "the file is closed while the map lives"
            );
            assert_eq!(bytes_of(&map), b"hello");
            refusal(directory.path());
            refusal("/dev/zero".as_ref());
            refusal("/proc/self/maps".as_ref());
        }
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success());
}

#[test]
fn a_file_that_is_gone_by_name_stays_mapped() {
    let (_directory, path) = file(b"hello");
    let map = Map::load(&path, Private, perms::Read).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(File::open(&path).is_err());
    assert_eq!(bytes_of(&map), b"hello");
}
