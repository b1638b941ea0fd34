//! Whole files, read or mapped.
#![expect(unsafe_code, reason = "makes the promise that it tests")]

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use mmarinus::{Contents, Errno};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::common::{disk_file, memory_file, open_descriptors, page, patterned};
use crate::testing::{in_child, sound, times};

/// Lengths on both sides of the one from which on files are mapped.
const LENGTHS: [usize; 7] = [
    1,
    4096,
    65537,
    (1 << 20) - 1,
    1 << 20,
    (1 << 20) + 1,
    3 << 20,
];

#[test]
fn all_bytes_are_there() {
    for len in LENGTHS {
        for file in [disk_file(len), memory_file(len)] {
            let contents = Contents::of(&file).unwrap();
            assert_eq!(contents.is_mapped(), len >= 1 << 20, "{len}");
            assert_eq!((contents.len(), contents.is_empty()), (len, false));
            let mut copy = vec![0; len];
            contents.read_at(0, &mut copy).unwrap();
            assert_eq!(copy, patterned(0, len));
            let mut last = [0];
            contents.read_at(len - 1, &mut last).unwrap();
            assert_eq!(last, patterned(len - 1, 1)[..]);
        }
    }
}

#[test]
fn a_promise_gives_slices() {
    for len in LENGTHS {
        let file = disk_file(len);
        let contents = Contents::of(&file).unwrap();
        // SAFETY: the file has no name, and nobody writes it any more.
        let contents = unsafe { contents.assume_stable() };
        assert!(contents[..] == patterned(0, len) && contents.as_ref().len() == len);
    }
}

#[test]
fn bytes_lie_in_the_file() {
    for len in [0, 1, 5000, 1 << 20] {
        let contents = Contents::of(&disk_file(len)).unwrap();
        assert_eq!(contents.is_empty(), len == 0);
        contents.read_at(len, &mut []).unwrap();
        for (offset, more) in [
            (len, 1),
            (len + 1, 0),
            (usize::MAX, 0),
            (usize::MAX, 1),
            (0, len + 1),
        ] {
            let fault = contents.read_at(offset, &mut vec![0; more]).unwrap_err();
            assert_eq!((fault.errno(), fault.copied()), (Errno::INVAL, 0));
        }
    }
}

#[test]
fn the_position_of_a_file_is_left_alone() {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = disk_file(5000);
    file.seek(SeekFrom::Start(4999)).unwrap();
    assert_eq!(Contents::of(&file).unwrap().len(), 5000);
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, patterned(4999, 1));
}

#[test]
fn what_the_kernel_makes_up_is_read_to_its_end() {
    let contents = Contents::load("/proc/self/smaps").unwrap();
    assert!(!contents.is_mapped() && contents.len() > 4096);
    let contents = Contents::load("/proc/self/comm").unwrap();
    let mut copy = vec![0; contents.len()];
    contents.read_at(0, &mut copy).unwrap();
    assert_eq!(copy, fs::read("/proc/self/comm").unwrap());
    // Its length is said to be a page.
    let contents = Contents::load("/sys/kernel/mm/transparent_hugepage/enabled");
    assert!(contents.is_ok_and(|contents| (1..page()).contains(&contents.len())));
}

#[test]
fn a_path_leads_to_a_file_or_to_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let refusal = |path: &std::path::Path| Contents::load(path).unwrap_err().errno();
    assert_eq!(refusal(&path), Errno::NOENT);
    fs::write(&path, patterned(0, 100)).unwrap();
    assert_eq!(Contents::load(&path).unwrap().len(), 100);
    assert_eq!(refusal(folder.path()), Errno::ISDIR);
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    assert_eq!(refusal(&fifo), Errno::NODEV);
    assert_eq!(refusal("/dev/zero".as_ref()), Errno::NODEV);
    let writer = File::options().write(true).open(&path).unwrap();
    let error = Contents::of(&writer).unwrap_err();
    assert_eq!((error.operation(), error.errno()), ("pread", Errno::BADF));
    let unreadable = rustix::fs::open(&path, OFlags::PATH, Mode::empty()).unwrap();
    assert_eq!(Contents::of(&unreadable).unwrap_err().errno(), Errno::BADF);
}

#[test]
fn without_memory_there_is_an_error() {
    let status = in_child!({
        let file = disk_file(1 << 19);
        let large = disk_file(0);
        large.set_len(1 << 28).unwrap(); // A hole.
        let before = open_descriptors();
        let limit = Rlimit {
            current: Some(1 << 20),
            maximum: None,
        };
        // A sparse rest of the heap may hold the small file.
        setrlimit(Resource::As, limit).unwrap();
        let small = Contents::of(&file).map(|contents| contents.len());
        let error = Contents::of(&large).unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM);
        if let Err(error) = small {
            assert_eq!((error.operation(), error.errno()), ("pread", Errno::NOMEM));
        }
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success());
}

#[test]
fn others_may_write_and_truncate() {
    sound!({
        for len in [5000, 3 << 20] {
            let file = disk_file(len);
            let contents = Contents::of(&file).unwrap();
            file.write_all_at(&[9], 0).unwrap();
            file.set_len(0).unwrap();
            let mut copy = vec![0; len];
            let copied = contents.read_at(0, &mut copy);
            match contents.is_mapped() {
                true => assert_eq!(copied.unwrap_err().errno(), Errno::FAULT),
                false => assert_eq!((copied.is_ok(), copy), (true, patterned(0, len))),
            }
        }
    });
}

#[test]
fn a_file_that_changes_its_length_is_read_as_it_is() {
    sound!({
        let rounds = times(200);
        let file = disk_file(700_000);
        std::thread::scope(|scope| {
            let changes = scope.spawn(|| {
                for round in 0..rounds {
                    let len = if round % 2 == 0 { 10 } else { 700_000 };
                    file.set_len(len).unwrap();
                }
            });
            while !changes.is_finished() {
                let contents = Contents::of(&file.as_fd()).unwrap();
                assert!(!contents.is_mapped() && contents.len() <= 700_000);
            }
        });
    });
}
