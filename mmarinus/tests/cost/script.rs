//! Each operation once, with the system calls that it is allowed.

use std::fs::File;
use std::io::{Seek, Write};

use core::sync::atomic::{AtomicU64, Ordering};
use mmarinus::{Advice, Map, Mirror, Private, ProtFlags, Reservation, Shared, Source, perms};

use crate::common::{disk_file, page};

/// Who looks on while a step is made.
pub(crate) trait Meter {
    /// Makes a step of this name, which may do these system calls, in this order.
    fn step<T>(&mut self, name: &str, calls: &[&str], run: impl FnOnce() -> T) -> T;

    /// A step without system calls.
    fn free<T>(&mut self, name: &str, run: impl FnOnce() -> T) -> T {
        self.step(name, &[], run)
    }

    /// A value that is dropped, which is one call of `munmap`.
    fn unmapped<T>(&mut self, name: &str, value: T) {
        self.step(name, &["munmap"], || drop(value));
    }
}

/// Makes the steps, and nothing else: what is done only once in a process or a thread is done then.
#[derive(Debug)]
pub(crate) struct Silent;

impl Meter for Silent {
    fn step<T>(&mut self, _name: &str, _calls: &[&str], run: impl FnOnce() -> T) -> T {
        run()
    }
}

/// What the script works with; made before anybody looks.
pub(crate) struct Things {
    file: File,
    path: tempfile::TempPath,
    len: usize,
}

impl Things {
    pub(crate) fn new() -> Self {
        let len = 4 * page();
        let mut named = tempfile::NamedTempFile::new().expect("a temporary file");
        named.write_all(&vec![7; len]).expect("room");
        named.rewind().expect("a file has a start");
        Self {
            file: disk_file(len),
            path: named.into_temp_path(),
            len,
        }
    }
}

/// Everything.
pub(crate) fn all(meter: &mut impl Meter, things: &Things) {
    memory(meter, things.len);
    files(meter, things);
    parts(meter, things.len);
    changes(meter, things.len);
    shared(meter, things.len);
    reservations(meter, things);
}

/// Maps of memory: one call, and one for the drop.
fn memory(meter: &mut impl Meter, len: usize) {
    let map = meter.step("anonymous", &["mmap"], || {
        Map::bytes(len).anonymously().with(perms::ReadWrite)
    });
    meter.unmapped("drop of anonymous", map.unwrap());
    let map = meter.step("anonymous and shared", &["mmap"], || {
        let builder = Map::bytes(len).anonymously().with_kind(Shared);
        builder.with(perms::ReadWrite)
    });
    meter.unmapped("drop of anonymous and shared", map.unwrap());
    let map = meter.step("anonymous near", &["mmap"], || {
        Map::bytes(len)
            .near(1 << 32)
            .anonymously()
            .with(perms::Read)
    });
    meter.unmapped("drop of anonymous near", map.unwrap());
    let map = meter.step("anonymous, not reserved", &["mmap"], || {
        let builder = Map::bytes(len).anonymously().no_reserve();
        builder.with(perms::ReadWrite)
    });
    meter.unmapped("drop of anonymous, not reserved", map.unwrap());
    let map = meter.step("anonymous, brought in", &["mmap"], || {
        let builder = Map::bytes(len).anonymously().populate();
        builder.with(perms::ReadWrite)
    });
    meter.unmapped("drop of anonymous, brought in", map.unwrap());
    let map = meter.step("shared, brought in", &["mmap", "madvise"], || {
        let builder = Map::bytes(len).anonymously().with_kind(Shared).populate();
        builder.with(perms::ReadWrite)
    });
    meter.unmapped("drop of shared, brought in", map.unwrap());
    let map = meter.step("anonymous, 0 bytes", &[], || {
        Map::bytes(0).anonymously().with(perms::ReadWrite)
    });
    meter.free("drop of 0 bytes", || drop(map));
    let map = meter.step("unaligned size", &["mmap"], || {
        Map::bytes(len + 1).anonymously().with(perms::ReadWrite)
    });
    let map = map.unwrap();
    meter.step("unmap", &["munmap"], || map.unmap()).unwrap();
}

/// Maps of files: what the descriptor is, is asked once.
fn files(meter: &mut impl Meter, things: &Things) {
    let Things { file, path, len } = things;
    let source = meter.step("source", &["fstat", "fstatfs"], || Source::of(file));
    let source = source.unwrap();
    let map = meter.step("whole source", &["mmap"], || {
        Map::whole(&source).with(perms::Read)
    });
    meter.unmapped("drop of whole source", map.unwrap());
    let map = meter.step("whole source, shared", &["mmap"], || {
        let builder = Map::whole(&source).with_kind(Shared);
        builder.with(perms::ReadWrite)
    });
    let map = map.unwrap();
    let mut copy = [0; 100];
    meter
        .step("read_at", &["gettid", "process_vm_readv"], || {
            map.read_at(7, &mut copy)
        })
        .unwrap();
    meter.step("sync", &["msync"], || map.sync(..)).unwrap();
    meter.unmapped("drop of whole source, shared", map);
    let map = meter.step("part of source", &["mmap"], || {
        let builder = Map::bytes(page() + 1).from_source(&source, 100);
        builder.with(perms::Read)
    });
    meter.unmapped("drop of part of source", map.unwrap());
    let map = meter.step("descriptor", &["fstat", "fstatfs", "mmap"], || {
        Map::bytes(*len).from(file, 0).with(perms::Read)
    });
    meter.unmapped("drop of descriptor", map.unwrap());
    let opened = ["open", "fstat", "fstatfs", "mmap", "close"];
    let map = meter.step("load", &opened, || Map::load(path, Private, perms::Read));
    meter.unmapped("drop of load", map.unwrap());
}

/// What only looks, and what takes maps apart and together.
fn parts(meter: &mut impl Meter, len: usize) {
    let map = Map::bytes(len)
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    let seen = meter.free("len, addr, pages, permissions", || {
        (map.len(), map.addr(), map.pages(), map.permissions())
    });
    assert_eq!((seen.0, seen.2), (len, (seen.1, len)));
    let first = meter.free("slice", || map[0]);
    assert_eq!(first, 0);
    let (first, second) = meter.free("split", || map.split(page())).unwrap();
    let map = meter.free("join", || first.join(second)).unwrap();
    let view = meter.free("view", || map.view(1..100).map(|view| view.len()));
    assert_eq!(view.unwrap(), 99);
    let unknown = meter.free("forget permissions", || map.forget_permissions());
    let parts = meter.free("into raw parts", || unknown.into_raw_parts());
    assert_eq!((parts.1, parts.2), (len, page()));
}

/// What changes a map: one call each.
fn changes(meter: &mut impl Meter, len: usize) {
    let mut map = Map::bytes(len)
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    meter
        .step("advise", &["madvise"], || {
            map.advise(.., Advice::SEQUENTIAL)
        })
        .unwrap();
    meter
        .step("advise a part", &["madvise"], || {
            map.advise(page()..2 * page(), Advice::WILLNEED)
        })
        .unwrap();
    meter.step("lock", &["mlock"], || map.lock(..)).unwrap();
    meter
        .step("unlock", &["munlock"], || map.unlock(..))
        .unwrap();
    meter
        .step("discard", &["madvise"], || map.discard(..))
        .unwrap();
    let map = meter.step("reprotect", &["mprotect"], || map.reprotect(perms::Read));
    let map = map.unwrap();
    // Whether the pages would reach the main thread's stack is asked first, by a page that is mapped for it.
    let grown = ["mmap", "mincore", "munmap", "mremap"];
    let map = meter.step("resize", &grown, || map.resize(2 * len));
    let map = map.unwrap();
    let map = meter.step("resize, shorter", &["mremap"], || map.resize(len));
    let map = map.unwrap();
    let map = meter.free("expose", || map.expose());
    let mut copy = [0; 100];
    meter
        .free("read_at of exposed", || map.read_at(7, &mut copy))
        .unwrap();
    meter.unmapped("drop of what was changed", map);
}

/// Memory that others share.
fn shared(meter: &mut impl Meter, len: usize) {
    let map = Map::bytes(len).anonymously().with_kind(Shared);
    let mut map = map.with(perms::ReadWrite).unwrap();
    let atomics = meter.free("atomics", || map.atomics::<AtomicU64>(..));
    assert_eq!(atomics.unwrap()[3].fetch_add(1, Ordering::Relaxed), 0);
    meter
        .free("write_at of shared", || map.write_at(0, &[1; 8]))
        .unwrap();
    let again = meter.step("duplicate", &["mremap"], || map.duplicate());
    meter.unmapped("drop of duplicate", again.unwrap());
    meter.unmapped("drop of shared", map);
    let mut mirror = Mirror::anonymous(len).unwrap();
    meter.free("slice of mirror", || {
        mirror.slice_mut(len - 1, 2).unwrap().fill(1);
    });
    assert_eq!(mirror.slice(0, 1).unwrap(), [1]);
    meter.unmapped("drop of mirror", mirror);
}

/// Reserved addresses, and what is placed there.
fn reservations(meter: &mut impl Meter, things: &Things) {
    let Things { file, len, .. } = things;
    let source = Source::of(file).unwrap();
    let reservation = meter.step("reservation", &["mmap"], || Reservation::new(1 << 30));
    let mut reservation = reservation.unwrap();
    let first = meter.free("split_to", || reservation.split_to(*len));
    let map = meter.step("fill", &["mprotect"], || {
        first.unwrap().fill(perms::ReadWrite)
    });
    let map = map.unwrap();
    let first = meter.step("decommit of a map", &["mmap"], || map.decommit());
    let first = first.unwrap();
    let whole = meter.free("join of reservations", || first.join(reservation));
    let reservation = whole.unwrap();
    let both = ProtFlags::READ | ProtFlags::WRITE;
    // Merging of equal pages ends before the move and goes on behind it; the first `mremap` only asks whether there is room.
    let moved = ["mmap", "madvise", "prctl", "mremap", "mremap"];
    meter
        .step("place", &moved, || {
            reservation.place(0..*len, &source, 0, Private, both)
        })
        .unwrap();
    meter
        .step("protect", &["mprotect"], || {
            reservation.protect(0..*len, ProtFlags::READ)
        })
        .unwrap();
    meter
        .step("decommit", &["mmap"], || reservation.decommit(0..*len))
        .unwrap();
    meter.unmapped("drop of reservation", reservation);
}
