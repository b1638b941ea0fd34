//! Which descriptors are no files, and what the refusal of each says.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use mmarinus::{Errno, Map, Private, Shared, Source, perms};
use rustix::fs::{Mode, OFlags};

use crate::common::{disk_file, page};
use crate::raw;
use crate::testing::skip;

/// Asserts that a descriptor is refused as a file, in every way to name it, with this errno and words that help.
fn assert_refused(fd: &impl AsFd, errno: Errno, words: &str) {
    for error in [
        Map::bytes(1).from(fd, 0).with(perms::Read).unwrap_err(),
        Map::bytes(page())
            .from(fd, page() as u64)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap_err(),
        Map::bytes(1).from(fd, 0).with(perms::None).unwrap_err(),
        Source::of(fd).unwrap_err(),
    ] {
        assert_eq!(error.errno(), errno, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn directories() {
    let directory = File::open("/").unwrap();
    assert_refused(&directory, Errno::ISDIR, "directory");
    let error = Map::bytes(1)
        .from_device(&directory, 0)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::NODEV);
}

#[test]
fn pipes() {
    let (read, write) = std::io::pipe().unwrap();
    assert_refused(&read, Errno::NODEV, "pipe");
    assert_refused(&write, Errno::NODEV, "pipe");
    let error = Map::bytes(1)
        .from_device(&read, 0)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::NODEV);
    assert!(error.to_string().contains("nothing to map"), "{error}");
}

#[test]
fn sockets() {
    assert_refused(
        &UdpSocket::bind("127.0.0.1:0").unwrap(),
        Errno::NODEV,
        "socket",
    );
    assert_refused(
        &TcpListener::bind("127.0.0.1:0").unwrap(),
        Errno::NODEV,
        "socket",
    );
    let (one, _other) = UnixStream::pair().unwrap();
    assert_refused(&one, Errno::NODEV, "socket");
}

#[test]
fn character_devices() {
    for path in ["/dev/zero", "/dev/null", "/dev/urandom"] {
        assert_refused(&File::open(path).unwrap(), Errno::NODEV, "from_device");
    }
}

#[test]
fn files_that_the_kernel_makes_up() {
    for path in [
        "/proc/self/maps",
        "/proc/self/mem",
        "/proc/sys/vm/max_map_count",
        "/sys/kernel/uevent_seqnum",
    ] {
        match File::open(path) {
            Ok(file) => assert_refused(&file, Errno::OPNOTSUPP, "kernel makes this file up"),
            Err(error) => assert_eq!(
                error.kind(),
                std::io::ErrorKind::NotFound,
                "{path}: {error}"
            ),
        }
    }
}

#[test]
fn events_and_timers() {
    use rustix::event::{EventfdFlags, epoll, eventfd};
    assert_refused(
        &eventfd(0, EventfdFlags::CLOEXEC).unwrap(),
        Errno::NODEV,
        "no file",
    );
    assert_refused(
        &epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(),
        Errno::NODEV,
        "no file",
    );
    assert_refused(&raw::timer(), Errno::NODEV, "no file");
    for fd in [eventfd(0, EventfdFlags::CLOEXEC).unwrap(), raw::timer()] {
        let error = Map::bytes(1)
            .from_device(&fd, 0)
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::NODEV, "{error}");
    }
}

#[test]
fn processes() {
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    let Ok(fd) = pidfd_open(getpid(), PidfdFlags::empty()) else {
        skip!("pidfd_open is not there");
    };
    // Since Linux 6.9 these are on a file system of their own.
    let error = Map::bytes(1).from(&fd, 0).with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::NODEV, "{error}");
}

#[test]
fn rings() {
    let ring = match raw::io_uring() {
        Ok(ring) => ring,
        Err(error) => skip!("io_uring_setup: {error}"),
    };
    assert_refused(&ring, Errno::NODEV, "no file");
    // As a device a ring can be mapped, and read by copies.
    let map = Map::bytes(page())
        .from_device(&ring, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    // Where the sizes stand depends on the kernel.
    let mut bytes = vec![0; page()];
    if let Err(fault) = map.read_at(0, &mut bytes) {
        assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 0));
        skip!("this kernel maps rings as memory of a device, which cannot be read by copies");
    }
    assert!(
        bytes.iter().any(|&byte| byte != 0),
        "the header of a ring has its sizes"
    );
}

#[test]
fn faults_of_user_space() {
    use mmarinus_sys::{UserfaultfdFlags, userfaultfd};
    // The bit of UFFD_USER_MODE_ONLY, which anybody may set.
    let flags = UserfaultfdFlags::from_bits_retain(1);
    match userfaultfd(flags) {
        Ok(fd) => assert_refused(&fd, Errno::NODEV, "no file"),
        Err(errno) => skip!("userfaultfd: {errno}"),
    }
}

#[test]
fn secret_memory() {
    let secret: OwnedFd = match mmarinus_sys::memfd_secret(mmarinus_sys::MemfdSecretFlags::CLOEXEC)
    {
        Ok(fd) => fd,
        Err(errno) => skip!("memfd_secret: {errno}"),
    };
    let file = File::from(secret);
    file.set_len(page() as u64).unwrap();
    assert_refused(&file, Errno::OPNOTSUPP, "memfd_secret");
    // The kernel copies nothing out of it, so as a device it cannot be read.
    let map = Map::bytes(page())
        .from_device(&file, 0)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    assert_eq!(map.read_at(0, &mut [0]).unwrap_err().errno(), Errno::FAULT);
}

#[test]
fn files_in_huge_pages() {
    use rustix::fs::MemfdFlags;
    let file = match rustix::fs::memfd_create("test", MemfdFlags::HUGETLB) {
        Ok(fd) => File::from(fd),
        Err(errno) => skip!("huge pages: {errno}"),
    };
    // Their pages are those of the file, and past its end there are none.
    assert!(Source::of(&file).unwrap().page_size() > page());
    assert!(Source::device(&file).unwrap().page_size() > page());
    for error in [
        Map::bytes(1).from(&file, 0).with(perms::Read).unwrap_err(),
        Map::bytes(1)
            .from_device(&file, 0)
            .with(perms::Read)
            .unwrap_err(),
    ] {
        assert!(
            [Errno::FAULT, Errno::NOMEM].contains(&error.errno()),
            "{error}"
        );
    }
}

#[test]
fn memory_files_in_large_blocks_are_files() {
    // tmpfs with huge pages says a block size of 2 MiB, and is mapped in ordinary pages.
    let file = crate::common::memory_file(3 * page());
    assert_eq!(Source::of(&file).unwrap().page_size(), page());
}

#[test]
fn descriptors_without_rights() {
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), [1; 100]).unwrap();
    let named = rustix::fs::open(path.path(), OFlags::PATH, Mode::empty()).unwrap();
    let error = Map::bytes(1).from(&named, 0).with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::BADF, "{error}");
    assert!(error.to_string().contains("O_PATH"), "{error}");

    let write_only = File::options().write(true).open(path.path()).unwrap();
    let error = Map::bytes(1)
        .from(&write_only, 0)
        .with(perms::None)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::ACCESS, "{error}");
    assert!(error.to_string().contains("open for reading"), "{error}");

    let read_only = File::open(path.path()).unwrap();
    let request = || Map::bytes(1).from(&read_only, 0);
    let error = request()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::ACCESS, "{error}");
    assert!(error.to_string().contains("O_RDWR"), "{error}");
    assert_eq!(
        request()
            .with_kind(Private)
            .with(perms::ReadWrite)
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        request().with_kind(Shared).with(perms::Read).unwrap().len(),
        1
    );
}

#[test]
fn sealed_files_keep_their_seals() {
    use rustix::fs::{SealFlags, fcntl_add_seals};
    let file = crate::common::memory_file(page());
    fcntl_add_seals(&file, SealFlags::WRITE).unwrap();
    let error = Map::bytes(1)
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::PERM, "{error}");
    assert!(error.to_string().contains("seal"), "{error}");
    let mut private = Map::bytes(1).from(&file, 0).with(perms::ReadWrite).unwrap();
    private.write_at(0, b"x").unwrap();
    assert_eq!(crate::common::bytes_of(&private), b"x");
}

#[test]
fn an_empty_map_asks_nobody() {
    // No byte is mapped, so it does not matter what stands behind them.
    let directory = File::open("/").unwrap();
    assert!(
        Map::bytes(0)
            .from(&directory, 0)
            .with(perms::Read)
            .unwrap()
            .is_empty()
    );
    assert!(
        Map::bytes(0)
            .from(&disk_file(0), 9)
            .with(perms::Read)
            .unwrap()
            .is_empty()
    );
}
