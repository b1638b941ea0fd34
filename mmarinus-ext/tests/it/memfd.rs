//! Making a file in memory, and its bytes: `Memfd<Open>` and `Options`.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use mmarinus::{Errno, Map, Shared, perms};
use mmarinus_ext::memfd::{Memfd, Options, Sealed};
use mmarinus_sys::{SealFlags, fcntl_get_seals};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::common::{open_descriptors, page, patterned};
use crate::testing::{in_child, needs};

/// Permission bits of a file.
fn mode(file: &impl AsFd) -> u32 {
    let file = File::from(file.as_fd().try_clone_to_owned().unwrap());
    file.metadata().unwrap().permissions().mode()
}

#[test]
fn a_new_file_is_zeros_and_can_be_sealed() {
    let memfd = Memfd::create("new", 10_000).unwrap();
    assert_eq!(memfd.len().unwrap(), 10_000);
    let mut bytes = [1; 10_000];
    memfd.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 10_000]);
    let seals = fcntl_get_seals(&memfd).unwrap();
    assert!(SealFlags::EXEC.contains(seals), "{seals:?}");
    assert_eq!(memfd.huge_pages(), None);
    let flags = rustix::io::fcntl_getfd(&memfd).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn the_name_shows_in_proc_and_is_checked() {
    let memfd = Memfd::create("a name", 0).unwrap();
    let map = Memfd::create("mapped", 1)
        .unwrap()
        .map()
        .unwrap()
        .with(perms::Read)
        .unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps
        .lines()
        .find(|line| line.starts_with(&format!("{:x}-", map.addr())))
        .unwrap();
    assert!(line.contains("/memfd:mapped"), "{line}");
    drop(memfd);
    for (name, len) in [("with\0zero", 0), (&*"n".repeat(250), 0)] {
        let error = Memfd::create(name, len).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        assert!(error.to_string().contains("249"), "{error}");
    }
    assert!(Memfd::create(&"n".repeat(249), 0).is_ok());
    assert!(Memfd::create("", 0).is_ok());
}

#[test]
fn absurd_lengths_are_refused() {
    for len in [u64::MAX, 1 << 63] {
        let error = Memfd::create("long", len).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{len}");
        let memfd = Memfd::create("short", 1).unwrap();
        assert_eq!(
            memfd.set_len(len).unwrap_err().errno(),
            Errno::INVAL,
            "{len}"
        );
        assert_eq!(memfd.len().unwrap(), 1);
    }
    // The longest file there is, a hole: it can be made, and no map of it is tried that does not fit.
    let memfd = Memfd::create("longest", i64::MAX as u64).unwrap();
    assert!(memfd.map().unwrap().with(perms::Read).is_err());
    assert_eq!(memfd.punch_hole(0, 0).unwrap_err().errno(), Errno::INVAL);
    assert_eq!(
        memfd.punch_hole(u64::MAX, 1).unwrap_err().errno(),
        Errno::INVAL
    );
}

#[test]
fn bytes_go_in_and_out_by_position_and_by_offset() {
    let mut memfd = Memfd::create("bytes", 0).unwrap();
    memfd.write_all(b"hello ").unwrap();
    memfd.write_at(6, b"world!").unwrap();
    let copied = memfd.write_from(&patterned(3 * page())[..]).unwrap();
    assert_eq!(copied, 3 * page() as u64);
    memfd.flush().unwrap();
    assert_eq!(memfd.len().unwrap(), 6 + copied);
    memfd.seek(SeekFrom::Start(2)).unwrap();
    let mut bytes = Vec::new();
    memfd.read_to_end(&mut bytes).unwrap();
    // What was read in begins where `write_all` had left the position.
    let mut expected = b"hello ".to_vec();
    expected.extend(patterned(3 * page()));
    assert_eq!(bytes, &expected[2..]);
    let end = memfd.read_at(copied, &mut [0; 7]).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    memfd.punch_hole(0, 6).unwrap();
    let mut head = [1; 7];
    memfd.read_at(0, &mut head).unwrap();
    assert_eq!(head[..6], [0; 6]);
}

#[test]
fn a_file_is_mapped_in_each_state_with_its_backing() {
    let memfd = Memfd::create("states", 2 * page() as u64).unwrap();
    memfd.write_at(page() as u64 - 1, b"hi").unwrap();
    let open = memfd
        .map()
        .unwrap()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let open: Map<perms::ReadWrite, Shared, mmarinus::backing::File> = open;
    let mut bytes = [0; 2];
    open.read_at(page() - 1, &mut bytes).unwrap();
    assert_eq!(&bytes, b"hi");
    drop(open);
    // Part of it, placed, with options.
    let placed = memfd
        .map_range(page() as u64 + 1, 5)
        .aligned_to(1 << 21)
        .populate();
    let placed = placed.with(perms::Read).unwrap();
    assert_eq!((placed.len(), placed.pages().0 % (1 << 21)), (5, 0));
    let sealed = memfd.seal().unwrap();
    assert_eq!(sealed.len(), 2 * page() as u64);
    assert_eq!(
        &sealed
            .map_range(page() as u64 - 1, 2)
            .with(perms::Read)
            .unwrap()[..],
        b"hi"
    );
    let mut copy = sealed.map().with(perms::ReadWrite).unwrap();
    copy[0] = 7;
    assert_eq!(sealed.map().with(perms::Read).unwrap()[0], 0);
    assert!(sealed.map_range(1, 2 * page()).with(perms::Read).is_err());
}

#[test]
fn an_empty_file_passes_every_state() {
    let memfd = Memfd::create("empty", 0).unwrap();
    assert_eq!(memfd.map().unwrap().with(perms::Read).unwrap().len(), 0);
    let memfd = memfd.seal_size().unwrap();
    assert!(memfd.is_empty());
    let memfd = memfd.seal_future_writes().unwrap();
    let memfd = memfd.seal().unwrap();
    assert_eq!(memfd.map().with(perms::Read).unwrap()[..], []);
    let again = Memfd::<Sealed>::try_from(OwnedFd::from(memfd)).unwrap();
    assert_eq!(again.len(), 0);
}

#[test]
fn a_file_is_not_executable_unless_asked() {
    let plain = Memfd::create("plain", 0).unwrap();
    assert_eq!(mode(&plain) & 0o111, 0);
    let program = match Options::new().executable().create("program", 0) {
        Ok(program) => program,
        // Where vm.memfd_noexec is 2.
        Err(error) => return assert_eq!(error.errno(), Errno::ACCESS),
    };
    assert_eq!(mode(&program) & 0o111, 0o111);
}

#[test]
fn the_kernel_keeps_it_so() {
    needs!(memfd_noexec_seal);
    let plain = Memfd::create("plain", 0).unwrap();
    assert!(fcntl_get_seals(&plain).unwrap().contains(SealFlags::EXEC));
    let execute = rustix::fs::Mode::from_bits_retain(0o777);
    assert_eq!(rustix::fs::fchmod(&plain, execute), Err(Errno::PERM));
}

#[test]
fn an_executable_file_can_be_run() {
    let mut program = match Options::new().executable().create("program", 0) {
        Ok(program) => program,
        Err(error) => return assert_eq!(error.errno(), Errno::ACCESS),
    };
    let Ok(bytes) = std::fs::read("/bin/true") else {
        crate::testing::skip!("there is no /bin/true");
    };
    program.write_all(&bytes).unwrap();
    // A file that can be written cannot be executed, so it is opened anew and the writer closed.
    let path = format!(
        "/proc/self/fd/{}",
        rustix::fd::AsRawFd::as_raw_fd(&program.as_fd())
    );
    let reader = File::open(path).unwrap();
    let inherited = rustix::io::dup(&reader).unwrap();
    drop(program);
    let path = format!(
        "/proc/self/fd/{}",
        rustix::fd::AsRawFd::as_raw_fd(&inherited)
    );
    let status = std::process::Command::new(path)
        .arg0("true")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn running_out_of_descriptors_is_an_error_that_leaks_none() {
    let status = in_child!({
        let memfd = Memfd::create("last", 1).unwrap();
        let before = open_descriptors();
        let limits = rustix::process::getrlimit(Resource::Nofile);
        let limit = |current| Rlimit { current, ..limits };
        setrlimit(Resource::Nofile, limit(Some(0))).unwrap();
        let error = Memfd::create("one more", 0).unwrap_err();
        assert_eq!(error.errno(), Errno::MFILE);
        assert!(error.to_string().contains("ulimit -n"), "{error}");
        assert_eq!(memfd.try_clone().unwrap_err().errno(), Errno::MFILE);
        // What needs no descriptor goes on.
        let sealed = memfd.seal().unwrap();
        assert_eq!(sealed.map().with(perms::Read).unwrap()[..], [0]);
        setrlimit(Resource::Nofile, limits).unwrap();
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success(), "{status}");
}
