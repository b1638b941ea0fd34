//! Growing a file with its map: what is new is there, what was there stays, and a refusal leaves the map as it was.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use mmarinus::kind::Kind;
use mmarinus::perms::Unknown;
use mmarinus::{Errno, Map, Private, ProtFlags, Shared, backing, perms};

use crate::common::{Vma, bytes_of, disk_file, limit, memory_file, page, pattern, patterned};
use crate::raw::{self, Call};
use crate::testing::{in_child, skip};

/// A map of some bytes of a file.
fn map_of<K: Kind>(
    file: &File,
    offset: usize,
    len: usize,
    kind: K,
) -> Map<perms::ReadWrite, K, backing::File> {
    let map = Map::bytes(len).from(file, offset as u64).with_kind(kind);
    map.with(perms::ReadWrite).expect("a map of a file")
}

/// The length of a file in bytes.
fn len_of(file: &File) -> usize {
    file.metadata().expect("a length").len() as usize
}

/// The bytes that a file of so many has once it is as long as `grown`.
fn grown(len: usize, grown: usize) -> Vec<u8> {
    (0..grown)
        .map(|at| if at < len { pattern(at) } else { 0 })
        .collect()
}

#[test]
fn file_and_map_grow_together() {
    fn assert_grows<K: Kind>(file: File, offset: usize, kind: K) {
        let len = len_of(&file);
        let end = 40 * page() + 7;
        let map = map_of(&file, offset, page(), kind);
        let mut map = map.grow_file(&file, end - offset).unwrap();
        assert_eq!((map.len(), len_of(&file)), (end - offset, end));
        assert!(file.metadata().unwrap().blocks() * 512 >= (40 * page()) as u64);
        assert_eq!(bytes_of(&map), grown(len, end)[offset..]);
        map.write_at(end - offset - 1, b"x").unwrap();
        let mut last = [0];
        file.read_exact_at(&mut last, end as u64 - 1).unwrap();
        assert_eq!(last[0], if K::SHARED { b'x' } else { 0 });
    }
    for offset in [0, 5, page(), 2 * page() + 3] {
        assert_grows(disk_file(3 * page()), offset, Shared);
        assert_grows(disk_file(3 * page()), offset, Private);
        assert_grows(memory_file(3 * page()), offset, Shared);
        assert_grows(memory_file(3 * page()), offset, Private);
    }
}

#[test]
fn a_file_that_is_long_enough_keeps_its_length_and_loses_its_holes() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(64 * page() as u64).unwrap();
    let before = file.metadata().unwrap().blocks();
    let map = map_of(&file, 0, page(), Shared)
        .grow_file(&file, 8 * page())
        .unwrap();
    assert_eq!((map.len(), len_of(&file)), (8 * page(), 64 * page()));
    assert!(file.metadata().unwrap().blocks() > before);
    // The same length only fills the holes.
    let addr = map.addr();
    let map = map.grow_file(&file, 8 * page()).unwrap();
    assert_eq!((map.addr(), map.len()), (addr, 8 * page()));
}

#[test]
fn any_descriptor_of_the_file_does() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file()
        .write_all_at(&patterned(0, page()), 0)
        .unwrap();
    let map = map_of(file.as_file(), 0, page(), Shared);
    let map = map
        .grow_file(&file.as_file().try_clone().unwrap(), 2 * page())
        .unwrap();
    // Open for writing alone: it is known by its numbers where `stat` tells the same as the list of maps.
    let write = File::options().write(true).open(file.path()).unwrap();
    let map = match map.grow_file(&write, 3 * page()) {
        Ok(map) => map,
        Err(error) => {
            assert_eq!(error.errno(), Errno::ACCESS);
            error
                .into_map()
                .unwrap()
                .grow_file(file.as_file(), 3 * page())
                .unwrap()
        }
    };
    assert_eq!(bytes_of(&map), grown(page(), 3 * page()));
}

#[test]
fn parts_know_where_in_the_file_they_are() {
    let file = disk_file(6 * page());
    let (one, rest) = map_of(&file, 0, 6 * page(), Shared)
        .split(2 * page())
        .unwrap();
    let (two, three) = rest.split(2 * page()).unwrap();
    let len = 6 * page();
    let three = three.grow_file(&file, 4 * page()).unwrap();
    assert_eq!(bytes_of(&three), grown(len, 8 * page())[4 * page()..]);
    let two = two.grow_file(&file, 3 * page()).unwrap();
    assert_eq!(bytes_of(&two), patterned(2 * page(), 3 * page()));
    let one = one
        .reprotect(perms::Read)
        .unwrap()
        .grow_file(&file, 6 * page())
        .unwrap();
    assert_eq!(bytes_of(&one), patterned(0, 6 * page()));
    assert_eq!(len_of(&file), 8 * page());
}

#[test]
fn a_promise_is_given_again() {
    fn assert_again<K: Kind>(kind: K)
    where
        backing::Stable: backing::NoRace<K>,
    {
        let file = disk_file(2 * page());
        let mut map = raw::keep_stable(map_of(&file, 0, 2 * page(), kind));
        map[1] = 0xaa;
        let map: Map<_, K, backing::File> = map.grow_file(&file, 3 * page()).unwrap();
        let mut map = raw::keep_stable(map);
        map[3 * page() - 1] = 0xbb;
        // The other way round.
        let map = map.unstable().grow_file(&file, 4 * page()).unwrap();
        let map = raw::keep_stable(map);
        let mut expected = grown(2 * page(), 4 * page());
        (expected[1], expected[3 * page() - 1]) = (0xaa, 0xbb);
        assert_eq!(map.as_ref(), expected);
        assert_eq!(len_of(&file), 4 * page());
        let mut byte = [0];
        file.read_exact_at(&mut byte, 1).unwrap();
        assert_eq!(byte[0], if K::SHARED { 0xaa } else { pattern(1) });
    }
    assert_again(Shared);
    assert_again(Private);
}

#[test]
fn a_promised_half_grows_by_the_file_alone() {
    // Private halves grow: what they write there is theirs.
    let file = disk_file(4 * page());
    let (one, two) = raw::keep_stable(map_of(&file, 0, 4 * page(), Private))
        .split(2 * page())
        .unwrap();
    let mut one = one.unstable().resize(4 * page()).unwrap();
    one.write_at(0, &vec![0xee; 4 * page()]).unwrap();
    assert_eq!(&*two, patterned(2 * page(), 2 * page()));
    // Shared ones do not grow by what they have.
    let (one, two) = raw::keep_stable(map_of(&file, 0, 4 * page(), Shared))
        .split(2 * page())
        .unwrap();
    let error = one.unstable().resize(4 * page()).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    // Nor by another file.
    let one = error.into_map().unwrap();
    let error = one
        .grow_file(&disk_file(4 * page()), 4 * page())
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert_eq!(&*two, patterned(2 * page(), 2 * page()));
    // But to whoever has the file it is open anyway: a new map of it.
    let one = error.into_map().unwrap();
    let addr = one.addr();
    let one = one.grow_file(&file, 4 * page()).unwrap();
    assert_ne!(one.addr(), addr);
    assert_eq!(bytes_of(&one), patterned(0, 4 * page()));
    assert_eq!(Vma::of(&two).perms, "rw-s");
}

#[test]
fn what_is_refused_changes_neither_file_nor_map() {
    let file = disk_file(2 * page());
    let mut map = map_of(&file, 0, 2 * page(), Shared);
    let other = disk_file(2 * page());
    let read_only = File::open("/proc/self/exe").unwrap();
    let folder = File::open("/").unwrap();
    let len = 2 * page();
    for (fd, size, errno) in [
        (&other, 3 * page(), Errno::INVAL),
        (&read_only, 3 * page(), Errno::INVAL),
        (&folder, 3 * page(), Errno::ISDIR),
        (&file, len - 1, Errno::INVAL),
        (&file, 0, Errno::INVAL),
        (&file, usize::MAX, Errno::NOMEM),
        (&file, isize::MAX as usize, Errno::NOMEM),
    ] {
        let error = map.grow_file(fd, size).unwrap_err();
        assert_eq!(error.errno(), errno, "{error}");
        assert_eq!(
            error.operation(),
            if errno == Errno::ISDIR {
                "mmap"
            } else {
                "grow_file"
            }
        );
        map = error.into_map().unwrap();
        assert_eq!(bytes_of(&map), patterned(0, len));
        assert_eq!((len_of(&file), len_of(&other)), (len, len));
    }
    let far = Map::bytes(page())
        .from(&file, i64::MAX as u64 + 1 - 2 * page() as u64)
        .with(perms::Read)
        .unwrap();
    assert_eq!(
        far.grow_file(&file, 3 * page()).unwrap_err().errno(),
        Errno::OVERFLOW
    );
    let empty = Map::bytes(0).from(&file, 0).with(perms::Read).unwrap();
    assert_eq!(
        empty.grow_file(&file, page()).unwrap_err().errno(),
        Errno::INVAL
    );
    assert_eq!(len_of(&file), len);
}

#[test]
fn the_kernel_says_why_a_file_does_not_grow() {
    let file = memory_file(page());
    let seal = rustix::fs::SealFlags::GROW;
    let map = map_of(&file, 0, page(), Shared);
    let read_only = File::open(format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&file)
    ))
    .unwrap();
    let error = map.grow_file(&read_only, 2 * page()).unwrap_err();
    assert_eq!(
        (error.errno(), error.operation()),
        (Errno::BADF, "fallocate")
    );
    assert!(error.to_string().contains("open for writing"), "{error}");
    rustix::fs::fcntl_add_seals(&file, seal).unwrap();
    let error = error
        .into_map()
        .unwrap()
        .grow_file(&file, 2 * page())
        .unwrap_err();
    assert_eq!(
        (error.errno(), error.operation()),
        (Errno::PERM, "fallocate")
    );
    let map = error.into_map().unwrap();
    assert_eq!(
        (bytes_of(&map), len_of(&file)),
        (patterned(0, page()), page())
    );
}

#[test]
fn a_full_storage_leaves_the_map() {
    let status = in_child!({
        let folder = tempfile::tempdir().unwrap();
        if let Err(why) = raw::mount_memory(folder.path(), 16 * page()) {
            skip!("{why}");
        }
        let path = folder.path().join("file");
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .unwrap();
        file.write_all_at(&patterned(0, 2 * page()), 0).unwrap();
        let map = map_of(&file, 0, 2 * page(), Shared);
        let error = map.grow_file(&file, 32 * page()).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::NOSPC, "fallocate")
        );
        assert!(error.to_string().contains("no room"), "{error}");
        let map = error.into_map().unwrap();
        assert_eq!(
            (map.len(), bytes_of(&map)),
            (2 * page(), patterned(0, 2 * page()))
        );
        let map = map.grow_file(&file, 10 * page()).unwrap();
        assert_eq!(bytes_of(&map), grown(2 * page(), 10 * page()));
    });
    assert!(status.success());
}

#[test]
fn a_file_system_that_cannot_allocate() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let file = disk_file(page());
        let map = raw::keep_stable(map_of(&file, 0, page(), Shared));
        raw::forbid(&[Call::Fallocate], Errno::OPNOTSUPP).unwrap();
        let error = map.grow_file(&file, 2 * page()).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::OPNOTSUPP, "fallocate")
        );
        assert!(error.to_string().contains("set_len"), "{error}");
        // With its promise.
        assert_eq!(&*error.into_map().unwrap(), patterned(0, page()));
        assert_eq!(len_of(&file), page());
    });
    assert!(status.success());
}

#[test]
fn the_text_tells_the_offset_as_well() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let file = disk_file(4 * page());
        raw::forbid(&[Call::Ioctl], Errno::NOTTY).unwrap();
        let (_one, two) = map_of(&file, page(), 2 * page(), Shared)
            .split(page())
            .unwrap();
        let two = two.grow_file(&file, 3 * page()).unwrap();
        assert_eq!(bytes_of(&two), grown(4 * page(), 5 * page())[2 * page()..]);
    });
    assert!(status.success());
}

#[test]
fn what_options_a_new_map_would_lack() {
    let file = disk_file(page());
    let map = raw::keep_stable(map_of(&file, 0, page(), Shared));
    map.lock(..).unwrap();
    let error = map.grow_file(&file, 2 * page()).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.to_string().contains("locked"), "{error}");
    assert_eq!(len_of(&file), page());
    // One that only gets longer keeps its lock.
    let map = map_of(&file, 0, page(), Shared);
    map.lock(..).unwrap();
    let map = map.grow_file(&file, 2 * page()).unwrap();
    assert!(Vma::of(&map).has("lo"));
}

#[test]
fn a_map_in_pieces_comes_back_with_a_longer_file() {
    let file = disk_file(3 * page());
    let map = map_of(&file, 0, 3 * page(), Shared);
    map.lock(page()..2 * page()).unwrap();
    let error = map.grow_file(&file, 5 * page()).unwrap_err();
    assert_eq!((error.errno(), error.operation()), (Errno::FAULT, "mremap"));
    let map = error.into_map().unwrap();
    assert_eq!(bytes_of(&map), patterned(0, 3 * page()));
    assert_eq!(len_of(&file), 5 * page());
}

#[test]
fn permissions_stay() {
    let file = disk_file(page());
    let flags = ProtFlags::READ | ProtFlags::EXEC;
    let map = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(Unknown(flags))
        .unwrap();
    let map = raw::keep_stable(map).grow_file(&file, 2 * page()).unwrap();
    assert_eq!((map.permissions(), &*Vma::of(&map).perms), (flags, "r-xs"));
    let map = Map::bytes(page()).from(&file, 0).with(perms::None).unwrap();
    let map = map.grow_file(&file, 2 * page()).unwrap();
    assert_eq!(Vma::of(&map).perms, "---p");
}

#[test]
fn signals_do_not_keep_a_file_from_growing() {
    let status = in_child!({
        let signals = raw::between_signals(|| {
            let file = memory_file(page());
            let map = map_of(&file, 0, page(), Shared);
            let map = map.grow_file(&file, 16 << 20).unwrap();
            assert_eq!((map.len(), len_of(&file)), (16 << 20, 16 << 20));
            assert!(file.metadata().unwrap().blocks() >= (16 << 20) / 512);
        });
        assert!(signals > 0);
    });
    assert!(status.success());
}

#[test]
fn the_limit_of_files_is_an_error_and_no_signal() {
    let status = in_child!({
        let files = [disk_file(3 * page()), memory_file(3 * page())];
        limit(rustix::process::Resource::Fsize, 4 * page() as u64);
        for file in &files {
            let map = map_of(file, 0, page(), Shared);
            let error = map.grow_file(file, 4 * page() + 1).unwrap_err();
            assert_eq!(error.errno(), Errno::FBIG);
            assert!(error.to_string().contains("RLIMIT_FSIZE"), "{error}");
            assert_eq!(len_of(file), 3 * page());
            let map = error.into_map().unwrap().grow_file(file, 4 * page());
            assert_eq!((map.unwrap().len(), len_of(file)), (4 * page(), 4 * page()));
        }
        // What is there already is no growth, whatever the limit.
        limit(rustix::process::Resource::Fsize, page() as u64);
        for file in &files {
            let map = map_of(file, 0, page(), Shared).grow_file(file, 4 * page());
            assert_eq!(map.unwrap().len(), 4 * page());
        }
    });
    assert!(status.success(), "{status}");
}
