//! Maps whose pages have their place on persistent memory, how they are made durable, and files that have none.

use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::{Errno, Map, Private, Shared, Source, backing, perms};

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, file_map, memory_file, page, pattern, patterned,
};
use crate::raw::{Call, can_forbid, forbid, keep_present, present, stable};
use crate::testing::features::dax_folder;
use crate::testing::{in_child, needs, skip};

type Durable = Map<perms::ReadWrite, Shared, backing::File>;

/// A file of the pattern on persistent memory.
fn dax_file(len: usize) -> File {
    let folder = dax_folder().expect("the test needs it");
    let file = tempfile::tempfile_in(folder).expect("a temporary file");
    file.write_all_at(&patterned(0, len), 0).expect("room");
    file.sync_all().expect("a disk that works");
    file
}

fn synchronous(file: &File, len: usize) -> Durable {
    let map = Map::bytes(len)
        .from(file, 0)
        .with_kind(Shared)
        .synchronous();
    map.with(perms::ReadWrite).expect("direct access")
}

#[test]
fn files_without_direct_access_are_refused() {
    for file in [disk_file(page()), memory_file(page())] {
        let request = Map::bytes(page())
            .from(&file, 0)
            .with_kind(Shared)
            .synchronous();
        let error = request.with(perms::ReadWrite).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::OPNOTSUPP, "mmap")
        );
        assert!(error.to_string().contains("DAX"), "{error}");
        let source = Source::of(&file).unwrap();
        for request in [
            Map::whole(&source)
                .with_kind(Shared)
                .synchronous()
                .populate(),
            Map::whole(&source)
                .with_kind(Shared)
                .synchronous()
                .aligned_to(1 << 21),
            Map::whole(&source)
                .with_kind(Shared)
                .synchronous()
                .at(anonymous(page()).addr()),
        ] {
            assert_eq!(
                request.with(perms::Read).unwrap_err().errno(),
                Errno::OPNOTSUPP
            );
        }
        // What is replaced comes back.
        let mut old = anonymous(page());
        old.fill(7);
        let request = old.remap().from(&file, 0).with_kind(Shared).synchronous();
        let error = request.with(perms::Read).unwrap_err();
        assert_eq!(error.errno(), Errno::OPNOTSUPP);
        assert!(error.into_map().unwrap().iter().all(|&byte| byte == 7));
    }
}

#[test]
fn what_is_said_afterwards_may_not_undo_it() {
    let file = disk_file(page());
    let request = || {
        Map::bytes(page())
            .from(&file, 0)
            .with_kind(Shared)
            .synchronous()
    };
    let error = request().with_kind(Private).with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP);
    assert!(
        error.to_string().contains("shared maps of files"),
        "{error}"
    );
    let error = request().anonymously().with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP);
    let error = request()
        .from_size_sealed(&memory_file(page()), 0)
        .with(perms::Read)
        .unwrap_err();
    assert!(!error.hint().is_empty());
    let zero = File::open("/dev/zero").unwrap();
    let error = request()
        .from_device(&zero, 0)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP);
}

#[test]
fn without_direct_access_the_kernel_makes_it_durable() {
    if let Err(why) = can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let (stable, present) = (
            stable(page(), Shared, perms::ReadWrite),
            present(page(), Shared, perms::Read),
        );
        let plain = file_map(page(), Shared);
        plain.persist(..).unwrap();
        forbid(&[Call::Msync], Errno::IO).unwrap();
        assert_eq!(stable.persist(..).unwrap_err().errno(), Errno::IO);
        assert_eq!(present.persist(1..2).unwrap_err().errno(), Errno::IO);
        let error = plain.persist(..).unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::IO, "msync"));
        plain.persist(5..5).unwrap();
    });
    assert!(status.success());
}

#[test]
fn with_direct_access_what_is_persisted_is_in_the_file() {
    needs!(dax);
    let file = dax_file(4 * page());
    let mut map = synchronous(&file, 3 * page());
    assert!(
        Vma::of(&map).has("sf"),
        "the kernel says that it is synchronous"
    );
    map.write_at(page() - 2, b"hello").unwrap();
    map.persist(page() - 2..page() + 3).unwrap();
    map.sync(..).unwrap();
    let mut bytes = [0; 5];
    file.read_exact_at(&mut bytes, page() as u64 - 2).unwrap();
    assert_eq!(&bytes, b"hello");
    let mut map = keep_present(map);
    map.write_at(100, b"again").unwrap();
    for range in [100..105, 0..0, 0..3 * page(), 3 * page() - 1..3 * page()] {
        map.persist(range).unwrap();
    }
    for range in [0..3 * page() + 1, usize::MAX..usize::MAX, 1..usize::MAX] {
        assert_eq!(map.persist(range).unwrap_err().errno(), Errno::INVAL);
    }
    file.read_exact_at(&mut bytes, 100).unwrap();
    assert_eq!(&bytes, b"again");
    assert_eq!(bytes_of(&map)[2 * page()], pattern(2 * page()));
}

#[test]
fn with_direct_access_no_call_is_made_where_nothing_can_fault() {
    needs!(dax);
    if let Err(why) = can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let file = dax_file(4 * page());
        let plain = synchronous(&file, page());
        let mut map = keep_present(synchronous(&file, 4 * page()));
        let hidden = keep_present(synchronous(&file, page()));
        let hidden = hidden.reprotect(perms::None).unwrap();
        let ordinary = Map::bytes(page()).from(&file, 0).with_kind(Shared);
        let ordinary = keep_present(ordinary.with(perms::ReadWrite).unwrap());
        let (first, second) = keep_present(synchronous(&file, 2 * page()))
            .split(page())
            .unwrap();
        let twin = map.duplicate().unwrap();
        forbid(&[Call::Msync], Errno::IO).unwrap();
        map.write_at(0, b"durable").unwrap();
        map.persist(..).unwrap();
        twin.persist(..).unwrap();
        second.persist(..).unwrap();
        first.join(second).unwrap().persist(..).unwrap();
        let unknown = map.forget_permissions();
        unknown.persist(1..page() + 1).unwrap();
        // The lines of these could fault, or are not enough.
        assert_eq!(plain.persist(..).unwrap_err().errno(), Errno::IO);
        assert_eq!(hidden.persist(..).unwrap_err().errno(), Errno::IO);
        assert_eq!(ordinary.persist(..).unwrap_err().errno(), Errno::IO);
    });
    assert!(status.success());
}

#[test]
fn with_direct_access_a_truncated_file_is_an_error() {
    needs!(dax);
    let status = in_child!({
        let file = dax_file(2 * page());
        let mut map = synchronous(&file, 2 * page());
        map.write_at(0, b"x").unwrap();
        file.set_len(0).unwrap();
        assert_eq!(map.write_at(0, b"y").unwrap_err().errno(), Errno::FAULT);
        let _ = map.persist(..);
        let map = map.resize(page()).unwrap();
        assert_eq!(map.len(), page());
    });
    assert!(status.success());
}

#[test]
fn with_direct_access_every_place_can_be_asked_for() {
    needs!(dax);
    let file = dax_file(2 * page());
    let request = || {
        Map::bytes(2 * page())
            .from(&file, 0)
            .with_kind(Shared)
            .synchronous()
    };
    let aligned = request()
        .aligned_to(1 << 24)
        .populate()
        .with(perms::ReadWrite)
        .unwrap();
    assert!(aligned.addr().is_multiple_of(1 << 24) && Vma::of(&aligned).has("sf"));
    let old = anonymous(2 * page());
    let address = old.addr();
    old.unmap().unwrap();
    let placed = request().at(address).with(perms::Read);
    assert!(placed.is_ok_and(|map| map.addr() == address) || Vma::at(address).is_some());
    let old = anonymous(2 * page());
    let map = old
        .remap()
        .from(&file, 0)
        .with_kind(Shared)
        .synchronous()
        .with(perms::ReadWrite)
        .unwrap();
    assert!(Vma::of(&map).has("sf"));
}

#[test]
fn what_was_looked_at_as_a_device_is_no_file() {
    let file = disk_file(page());
    let device = mmarinus::Source::device(&file).unwrap();
    let error = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .synchronous()
        .from_source(&device, 0)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP, "{error}");
    assert!(
        error.hint().contains("only shared maps of files"),
        "{error}"
    );
}
