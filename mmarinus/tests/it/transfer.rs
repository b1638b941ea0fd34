//! Views and descriptors: bytes that the kernel moves between mapped pages and files, pipes and devices.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write, pipe};
use std::os::unix::fs::FileExt;
use std::thread;

use mmarinus::backing::{Backing, Unsliced, Written};
use mmarinus::kind::Kind;
use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Error, Map, Private, ProtFlags, Shared};

use crate::common::{
    anonymous, bytes_of, disk_file, exposed, file_map, limit, memory_file, page, patterned, shared,
};
use crate::raw::{between_signals, present, stable};
use crate::testing::{in_child, skip};

/// An empty file.
fn empty() -> File {
    tempfile::tempfile().expect("a temporary file")
}

/// All of a file.
fn content(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("a file has a start");
    file.read_to_end(&mut bytes).expect("a readable file");
    bytes
}

/// Asserts that the bytes of a map get into files, from any start and of any length.
fn assert_writes<P: perms::MayRead, K: Kind, B: Backing<K>>(map: &Map<P, K, B>) {
    let bytes = bytes_of(map);
    for (start, len) in [
        (0, bytes.len()),
        (1, 100),
        (page() - 1, 2),
        (5, 0),
        (bytes.len(), 0),
    ] {
        let view = map.view(start..start + len).unwrap();
        let expected = &bytes[start..start + len];
        let file = empty();
        assert_eq!(view.write_to_fd(&file).unwrap(), len);
        assert_eq!(content(&file), expected);
        assert_eq!(view.write_to_fd_at(&file, 3).unwrap(), len);
        if len != 0 {
            assert_eq!(content(&file)[3..], *expected);
        }
    }
}

/// Asserts that bytes of files get into a map, and nowhere else.
fn assert_reads<P, K: Kind, B: Unsliced<K> + Written<K>>(map: &Map<P, K, B>)
where
    P: perms::MayRead + perms::MayWrite,
{
    let view = map.view(..).unwrap();
    view.write_at(0, &vec![7; map.len()]).unwrap();
    let file = disk_file(3 * page());
    for (start, len) in [
        (0, 100),
        (page() - 1, 2),
        (3, page()),
        (map.len(), 0),
        (9, 0),
    ] {
        let mut expected = bytes_of(map);
        let part = view.sub(start..start + len).unwrap();
        assert_eq!(part.read_from_fd_at(&file, 50).unwrap(), len);
        expected[start..start + len].copy_from_slice(&patterned(50, len));
        assert_eq!(bytes_of(map), expected);

        (&file).rewind().unwrap();
        assert_eq!(part.read_from_fd(&file).unwrap(), len);
        expected[start..start + len].copy_from_slice(&patterned(0, len));
        assert_eq!(bytes_of(map), expected);
        assert_eq!((&file).stream_position().unwrap(), len as u64);
    }
    // The end of the file.
    let last = 3 * page() as u64 - 4;
    assert_eq!(view.read_from_fd_at(&file, last).unwrap(), 4);
    assert_eq!(view.read_from_fd_at(&file, last + 4).unwrap(), 0);
    assert_eq!(view.read_from_fd_at(&file, last + 400).unwrap(), 0);
}

#[test]
fn every_backing_is_written_to_files() {
    let len = 2 * page() + 5;
    assert_writes(&anonymous(len));
    assert_writes(&anonymous(len).reprotect(perms::Read).unwrap());
    assert_writes(&shared(len));
    assert_writes(&exposed(len));
    assert_writes(&file_map(len, Private));
    assert_writes(&file_map(len, Shared).forget_permissions());
    assert_writes(&stable(len, Private, perms::Read));
    assert_writes(&present(len, Shared, perms::ReadWrite));
    let zero = File::open("/dev/zero").unwrap();
    let device = Map::bytes(len)
        .from_device(&zero, 0)
        .with(perms::Read)
        .unwrap();
    assert_writes(&device);
}

#[test]
fn what_others_may_write_is_read_from_files() {
    let len = 2 * page() + 5;
    assert_reads(&shared(len));
    assert_reads(&exposed(len));
    assert_reads(&file_map(len, Private));
    assert_reads(&file_map(len, Shared));
    assert_reads(&present(len, Private, perms::ReadWrite));
    assert_reads(&shared(len).forget_permissions());
}

#[test]
fn descriptors_are_taken_in_every_form() {
    let map = shared(page());
    let view = map.view(..10).unwrap();
    let mut file = empty();
    use std::os::fd::AsFd;
    assert_eq!(view.write_to_fd(&file).unwrap(), 10);
    assert_eq!(view.write_to_fd(&mut file).unwrap(), 10);
    assert_eq!(view.write_to_fd(file.as_fd()).unwrap(), 10);
    assert_eq!(view.read_from_fd_at(&file, 0).unwrap(), 10);
    assert_eq!(view.write_to_fd(file).unwrap(), 10);
}

#[test]
fn a_pipe_gives_what_it_holds() {
    let map = shared(2 * page());
    let view = map.view(..).unwrap();
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(b"hello").unwrap();
    // Not all that there is room for: the writer is still there.
    assert_eq!(view.read_from_fd(&reader).unwrap(), 5);
    assert_eq!(&bytes_of(&map)[..6], b"hello\0");
    drop(writer);
    assert_eq!(view.read_from_fd(&reader).unwrap(), 0);
}

#[test]
fn a_pipe_that_is_full_is_waited_for() {
    let len = 300_000;
    let map = shared(len);
    map.view(..)
        .unwrap()
        .write_at(0, &patterned(0, len))
        .unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let read = thread::scope(|scope| {
        let read = scope.spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            bytes
        });
        assert_eq!(map.view(..).unwrap().write_to_fd(&writer).unwrap(), len);
        drop(writer);
        read.join().unwrap()
    });
    assert_eq!(read, patterned(0, len));
}

#[test]
fn a_pipe_that_is_not_waited_for() {
    use rustix::fs::{OFlags, fcntl_setfl};
    let map = shared(300_000);
    let view = map.view(..).unwrap();
    let (reader, writer) = pipe().unwrap();
    fcntl_setfl(&reader, OFlags::NONBLOCK).unwrap();
    fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    let fault = view.read_from_fd(&reader).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::AGAIN, 0));
    assert!(fault.to_string().contains("poll"), "{fault}");

    let fault = view.write_to_fd(&writer).unwrap_err();
    assert_eq!(fault.errno(), Errno::AGAIN);
    let filled = fault.copied();
    assert!(filled > 0 && filled < map.len(), "{filled}");
    assert!(
        fault.to_string().contains("writing a map to a file"),
        "{fault}"
    );
    // The rest goes on where it stopped, as far as there is room again.
    let mut taken = 0;
    while taken < filled {
        taken += view.read_from_fd(&reader).unwrap();
    }
    let more = match view.sub(filled..).unwrap().write_to_fd(&writer) {
        Ok(all) => all,
        Err(fault) => fault.copied(),
    };
    assert_eq!(more, filled.min(map.len() - filled));
}

#[test]
fn a_pipe_that_nobody_reads() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let map = shared(page());
    let fault = map.view(..).unwrap().write_to_fd(&writer).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::PIPE, 0));
    let error = Error::from(fault);
    assert_eq!((error.errno(), error.operation()), (Errno::PIPE, "writev"));
    assert!(error.hint().contains("nobody reads"), "{error}");
}

#[test]
fn what_a_descriptor_refuses() {
    let map = shared(page());
    let view = map.view(..).unwrap();
    let path = tempfile::NamedTempFile::new().unwrap();
    let read_only = File::open(path.path()).unwrap();
    let write_only = OpenOptions::new().write(true).open(path.path()).unwrap();
    assert_eq!(
        view.write_to_fd(&read_only).unwrap_err().errno(),
        Errno::BADF
    );
    assert_eq!(
        view.read_from_fd(&write_only).unwrap_err().errno(),
        Errno::BADF
    );
    let directory = File::open(std::env::temp_dir()).unwrap();
    assert_eq!(
        view.read_from_fd(&directory).unwrap_err().errno(),
        Errno::ISDIR
    );
    let full = File::create("/dev/full").unwrap();
    let fault = view.write_to_fd(&full).unwrap_err();
    assert_eq!(fault.errno(), Errno::NOSPC);
    assert!(fault.to_string().contains("ENOSPC"), "{fault}");
    let (reader, writer) = pipe().unwrap();
    assert_eq!(
        view.write_to_fd_at(&writer, 0).unwrap_err().errno(),
        Errno::SPIPE
    );
    assert_eq!(
        view.read_from_fd_at(&reader, 0).unwrap_err().errno(),
        Errno::SPIPE
    );
    for offset in [u64::MAX, u64::MAX - 5, 1 << 63] {
        let file = empty();
        assert_eq!(
            view.write_to_fd_at(&file, offset).unwrap_err().errno(),
            Errno::INVAL
        );
        assert_eq!(
            view.read_from_fd_at(&file, offset).unwrap_err().errno(),
            Errno::INVAL
        );
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
    // A file of 2^63 - 1 bytes there is not, and no signal tells so.
    let file = memory_file(0);
    let fault = view.write_to_fd_at(&file, (1 << 63) - 10).unwrap_err();
    assert!(
        [Errno::FBIG, Errno::INVAL].contains(&fault.errno()),
        "{fault}"
    );
}

#[test]
fn permissions_at_run_time_are_asked() {
    let map = shared(page()).reprotect(Unknown(ProtFlags::READ)).unwrap();
    let fault = map.view(..).unwrap().read_from_fd(empty()).unwrap_err();
    assert_eq!(fault.errno(), Errno::ACCESS);
    assert!(fault.to_string().contains("reprotect"), "{fault}");
    let map = map.reprotect(Unknown(ProtFlags::WRITE)).unwrap();
    let fault = map.view(..).unwrap().write_to_fd(empty()).unwrap_err();
    assert_eq!(fault.errno(), Errno::ACCESS);
    let zero = File::open("/dev/zero").unwrap();
    assert_eq!(map.view(..9).unwrap().read_from_fd(&zero).unwrap(), 9);
}

#[test]
fn pages_that_are_gone() {
    for behind in [memory_file(4 * page()), disk_file(4 * page())] {
        let map = Map::bytes(4 * page())
            .from(&behind, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        behind.set_len(2 * page() as u64).unwrap();
        let file = empty();
        let start = page() - 10;
        let fault = map.view(start..).unwrap().write_to_fd(&file).unwrap_err();
        assert_eq!(fault.errno(), Errno::FAULT);
        // File systems copy in pieces of their own, and drop one that is not whole.
        assert!(fault.copied() <= page() + 10, "{fault}");
        assert_eq!(content(&file), patterned(start, fault.copied()));
        let fault = map
            .view(2 * page()..)
            .unwrap()
            .write_to_fd(&file)
            .unwrap_err();
        assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 0));
        assert!(fault.to_string().contains("truncated"), "{fault}");

        let source = disk_file(3 * page());
        let read = map
            .view(start..)
            .unwrap()
            .read_from_fd_at(&source, 0)
            .unwrap();
        assert!(read <= page() + 10, "{read}");
        assert_eq!(bytes_of_first(&map, start, read), patterned(0, read));
        let fault = map
            .view(2 * page()..)
            .unwrap()
            .read_from_fd_at(&source, 0)
            .unwrap_err();
        assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 0));
    }
}

/// Some bytes of a map.
fn bytes_of_first<P: perms::MayRead, K: Kind, B: Backing<K>>(
    map: &Map<P, K, B>,
    start: usize,
    len: usize,
) -> Vec<u8> {
    let mut bytes = vec![0; len];
    map.read_at(start, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_map_and_its_own_file() {
    // The kernel copies from pages of the file into the same file.
    let file = memory_file(2 * page());
    let map = Map::bytes(2 * page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let view = map.view(..page()).unwrap();
    assert_eq!(view.write_to_fd_at(&file, page() as u64).unwrap(), page());
    assert_eq!(bytes_of(&map)[page()..], patterned(0, page()));
    assert_eq!(view.write_to_fd_at(&file, 0).unwrap(), page());
    assert_eq!(view.read_from_fd_at(&file, 0).unwrap(), page());
    assert_eq!(bytes_of(&map)[..page()], patterned(0, page()));
}

#[test]
fn signals_do_not_count() {
    let status = in_child!({
        let signals = between_signals(|| {
            let len = 2_000_000;
            let map = shared(len);
            map.view(..)
                .unwrap()
                .write_at(0, &patterned(0, len))
                .unwrap();
            let (reader, writer) = pipe().unwrap();
            let target = shared(len);
            let source = &map;
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut read = 0;
                    while read < len {
                        let rest = target.view(read..).unwrap();
                        read += rest.read_from_fd(&reader).unwrap();
                        thread::sleep(core::time::Duration::from_micros(100));
                    }
                });
                assert_eq!(source.view(..).unwrap().write_to_fd(&writer).unwrap(), len);
            });
            assert_eq!(bytes_of(&target), patterned(0, len));
        });
        assert!(signals > 0);
    });
    assert!(status.success());
}

#[test]
fn a_sealed_file_refuses() {
    use rustix::fs::{SealFlags, fcntl_add_seals};
    let file = memory_file(page());
    fcntl_add_seals(&file, SealFlags::WRITE).unwrap();
    let map = shared(page());
    let fault = map.view(..).unwrap().write_to_fd_at(&file, 0).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::PERM, 0));
    assert!(fault.to_string().contains("seal"), "{fault}");
}

#[test]
fn direct_input_and_output() {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let path = tempfile::NamedTempFile::new().unwrap();
    let direct = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::DIRECT.bits() as i32)
        .open(path.path());
    let Ok(direct) = direct else {
        skip!("temporary files have no O_DIRECT here");
    };
    let map = shared(4 * page());
    let view = map.view(..).unwrap();
    view.write_at(0, &patterned(0, 4 * page())).unwrap();
    assert_eq!(view.write_to_fd_at(&direct, 0).unwrap(), 4 * page());
    view.write_at(0, &vec![0; 4 * page()]).unwrap();
    assert_eq!(view.read_from_fd_at(&direct, 0).unwrap(), 4 * page());
    assert_eq!(bytes_of(&map), patterned(0, 4 * page()));
    let mut bytes = vec![0; 10];
    File::open(path.path())
        .unwrap()
        .read_exact_at(&mut bytes, 77)
        .unwrap();
    assert_eq!(bytes, patterned(77, 10));
}

#[test]
fn the_limit_of_files_is_an_error_and_no_signal() {
    let status = in_child!({
        let len = 3 * page();
        let map = shared(len);
        let view = map.view(..).unwrap();
        view.write_at(0, &patterned(0, len)).unwrap();
        let (file, memory, mut appended) = (
            empty(),
            memory_file(0),
            tempfile::NamedTempFile::new().unwrap(),
        );
        let read_only = File::open(appended.path()).unwrap();
        limit(rustix::process::Resource::Fsize, 2 * page() as u64 + 5);
        let assert_full = |fault: mmarinus::Fault, copied: usize| {
            assert_eq!((fault.errno(), fault.copied()), (Errno::FBIG, copied));
            assert!(fault.to_string().contains("RLIMIT_FSIZE"), "{fault}");
        };
        for file in [&file, &memory] {
            assert_full(view.write_to_fd(file).unwrap_err(), 2 * page() + 5);
            assert_eq!(content(file), patterned(0, 2 * page() + 5));
            // The offset is at the limit now.
            assert_full(view.write_to_fd(file).unwrap_err(), 0);
            assert_full(
                view.write_to_fd_at(file, page() as u64).unwrap_err(),
                page() + 5,
            );
            for offset in [2 * page() as u64 + 5, 1 << 40, (1 << 63) - 1] {
                assert_full(view.write_to_fd_at(file, offset).unwrap_err(), 0);
            }
            assert_eq!(
                view.write_to_fd_at(file, 1 << 63).unwrap_err().errno(),
                Errno::INVAL
            );
            assert_eq!(view.sub(..0).unwrap().write_to_fd(file).unwrap(), 0);
            assert_eq!(view.sub(..9).unwrap().write_to_fd_at(file, 0).unwrap(), 9);
            assert_eq!(file.metadata().unwrap().len(), 2 * page() as u64 + 5);
        }
        // A file that is appended to is written at its end, whatever the offset.
        appended.write_all(&vec![1; 2 * page()]).unwrap();
        let end = OpenOptions::new()
            .append(true)
            .open(appended.path())
            .unwrap();
        assert_full(view.write_to_fd_at(&end, 0).unwrap_err(), 5);
        assert_full(view.write_to_fd_at(&end, 0).unwrap_err(), 0);
        assert_full(view.write_to_fd(&end).unwrap_err(), 0);
        // What is no file, or is not open for writing, has no such limit.
        let null = File::create("/dev/null").unwrap();
        assert_eq!(view.write_to_fd(&null).unwrap(), len);
        assert_eq!(view.write_to_fd_at(&null, 1 << 40).unwrap(), len);
        assert_eq!(
            view.write_to_fd_at(&read_only, 1 << 40)
                .unwrap_err()
                .errno(),
            Errno::BADF
        );
        let (reader, writer) = pipe().unwrap();
        assert_eq!(view.sub(..100).unwrap().write_to_fd(&writer).unwrap(), 100);
        drop(reader);
    });
    assert!(status.success(), "{status:?}");
}
