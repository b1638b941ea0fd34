//! Changing permissions: each to each, on each backing, and what a failure gives back.

use std::fs::File;

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::perms::{self, Permissions, Unknown};
use mmarinus::{Advice, Errno, Error, Map, Private, ProtFlags, Shared};

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, exposed, file_map, is_free, limit, page, patterned, shared,
};
use crate::raw::{self, Call, present, stable};
use crate::testing::{in_child, skip};

/// A map that changes its permissions to `perms`, with the kernel asked whether they are so.
fn change<P: Permissions, Q: Permissions, K: Kind, B: Backing<K>>(
    map: Map<P, K, B>,
    perms: Q,
) -> Map<Q, K, B> {
    let (addr, len) = (map.addr(), map.len());
    let map = map.reprotect(perms).unwrap();
    assert_eq!(
        (map.addr(), map.len(), map.permissions()),
        (addr, len, perms.flags())
    );
    let vma = Vma::of(&map);
    for (letter, flag) in [
        ('r', ProtFlags::READ),
        ('w', ProtFlags::WRITE),
        ('x', ProtFlags::EXEC),
    ] {
        assert_eq!(
            vma.perms.contains(letter),
            perms.flags().contains(flag),
            "{perms:?} is {vma:?}"
        );
    }
    assert_eq!(vma.perms.ends_with('s'), K::SHARED);
    map
}

/// Asserts that each set of permissions can follow each, and that the bytes stay.
fn assert_each_to_each<K: Kind, B: Backing<K>>(map: Map<perms::ReadWrite, K, B>) {
    fn from<P: Permissions, K: Kind, B: Backing<K>>(
        map: Map<perms::ReadWrite, K, B>,
        perms: P,
    ) -> Map<perms::ReadWrite, K, B> {
        let map = change(change(change(map, perms), perms::None), perms);
        let map = change(change(map, perms::Read), perms);
        let map = change(change(map, perms::Write), perms);
        let map = change(change(map, perms::Execute), perms);
        let map = change(change(map, perms::ReadWrite), perms);
        let map = change(change(map, perms::ReadExecute), perms);
        let map = change(change(map, perms::WriteExecute), perms);
        let map = change(change(map, perms::ReadWriteExecute), perms);
        let map = change(change(map, Unknown(ProtFlags::READ)), perms);
        change(change(map, perms), perms::ReadWrite)
    }
    let before = bytes_of(&map);
    let map = from(map, perms::None);
    let map = from(map, perms::Read);
    let map = from(map, perms::Write);
    let map = from(map, perms::Execute);
    let map = from(map, perms::ReadWrite);
    let map = from(map, perms::ReadExecute);
    let map = from(map, perms::WriteExecute);
    let map = from(map, perms::ReadWriteExecute);
    let map = from(map, Unknown(ProtFlags::EXEC));
    assert_eq!(bytes_of(&map), before);
}

#[test]
fn each_permission_follows_each() {
    let mut map = anonymous(page() + 1);
    map.fill(7);
    assert_each_to_each(map);
    assert_each_to_each(shared(page()));
    assert_each_to_each(exposed(page()));
    assert_each_to_each(file_map(page() + 1, Private));
    assert_each_to_each(file_map(page(), Shared));
    assert_each_to_each(stable(page(), Private, perms::ReadWrite));
    assert_each_to_each(present(page(), Shared, perms::ReadWrite));
}

#[test]
fn only_the_map_changes() {
    let status = in_child!({
        let (one, rest) = anonymous(3 * page()).split(page()).unwrap();
        let (two, three) = rest.split(page()).unwrap();
        let two = two.reprotect(perms::Read).unwrap();
        assert_eq!(Vma::of(&one).perms, "rw-p");
        assert_eq!(Vma::of(&three).perms, "rw-p");
        let vma = Vma::of(&two);
        assert_eq!((vma.start, vma.end), (two.addr(), two.addr() + page()));
    });
    assert!(status.success());
}

#[test]
fn whole_pages_change() {
    let file = disk_file(3 * page());
    let map = Map::bytes(page())
        .from(&file, 100)
        .with(perms::Read)
        .unwrap();
    let map = map.reprotect(perms::ReadWrite).unwrap();
    let (start, len) = map.pages();
    assert_eq!(len, 2 * page());
    for page in [start, start + page()] {
        assert_eq!(Vma::at(page).unwrap().perms, "rw-p");
    }
}

#[test]
fn an_empty_map_has_any_permission() {
    let map = anonymous(0).reprotect(perms::None).unwrap();
    let map = map.reprotect(Unknown(ProtFlags::EXEC)).unwrap();
    assert_eq!((map.len(), map.permissions()), (0, ProtFlags::EXEC));
}

#[test]
fn a_file_that_was_not_open_for_writing_stays_as_it_was() {
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), patterned(0, page())).unwrap();
    let file = File::open(path.path()).unwrap();
    let map = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    let addr = map.addr();
    let error: Error<Map<perms::Read, Shared, _>> = map.reprotect(perms::ReadWrite).unwrap_err();
    assert_eq!(
        (error.errno(), error.operation()),
        (Errno::ACCESS, "mprotect")
    );
    assert!(
        error.to_string().contains("not opened for writing"),
        "{error}"
    );
    let map = error.into_map().unwrap();
    assert_eq!(
        (map.addr(), map.len(), map.permissions()),
        (addr, page(), ProtFlags::READ)
    );
    assert_eq!(bytes_of(&map), patterned(0, page()));
    assert_eq!(Vma::of(&map).perms, "r--s");
    let map = map.reprotect(perms::None).unwrap();
    let map = map.reprotect(perms::Write).unwrap_err().into_map().unwrap();
    assert_eq!(Vma::of(&map).perms, "---s");
    assert_eq!(
        bytes_of(&map.reprotect(perms::Read).unwrap()),
        patterned(0, page())
    );
}

#[test]
fn unknown_bits_are_refused_and_the_map_comes_back() {
    for bits in [0x8, 0x0100_0000, 0x0200_0000, u32::MAX] {
        let mut map = anonymous(page());
        map[0] = 7;
        let error = map
            .reprotect(Unknown(ProtFlags::from_bits_retain(bits)))
            .unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::INVAL, "mprotect")
        );
        let map = error.into_map().unwrap();
        assert_eq!((map[0], Vma::of(&map).perms.as_str()), (7, "rw-p"));
    }
}

#[test]
fn the_commit_limit_is_an_error_that_gives_the_map_back() {
    let status = in_child!({
        // RLIMIT_DATA counts private pages that may be written.
        limit(rustix::process::Resource::Data, 1 << 30);
        let map = Map::bytes(2 << 30).anonymously().with(perms::Read).unwrap();
        let error = map.reprotect(perms::ReadWrite).unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM);
        let map = error.into_map().unwrap();
        assert_eq!((map[0], map[map.len() - 1]), (0, 0));
        assert_eq!(Vma::of(&map).perms, "r--p");
    });
    assert!(status.success());
}

#[test]
fn a_change_that_cannot_be_taken_back_loses_the_map() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let map = anonymous(64 * page());
        // So the kernel holds it as three mappings.
        map.advise(page()..2 * page(), Advice::RANDOM).unwrap();
        let pages = map.pages();
        raw::forbid(&[Call::Mprotect], Errno::ACCESS).unwrap();
        let error = map.reprotect(perms::Read).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::ACCESS, "mprotect")
        );
        assert!(error.to_string().contains("unmapped"), "{error}");
        assert!(
            error.into_map().is_none(),
            "the kernel may have changed a part"
        );
        assert!(
            is_free(pages.0, pages.1),
            "what is not given back is not kept either"
        );
    });
    assert!(status.success());
}

#[test]
fn one_mapping_that_is_kept_as_it_is_comes_back() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    for errno in [Errno::PERM, Errno::NOMEM] {
        let status = in_child!({
            // Beside others that the kernel holds as one mapping with it.
            let (_before, rest) = anonymous(6 * page()).split(2 * page()).unwrap();
            let (mut map, _after) = rest.split(2 * page()).unwrap();
            map.fill(7);
            // About all of it.
            map.advise(.., Advice::DONTDUMP).unwrap();
            map.lock(..).unwrap();
            let addr = map.addr();
            raw::forbid(&[Call::Mprotect], errno).unwrap();
            let error = map.reprotect(perms::Read).unwrap_err();
            assert_eq!(error.errno(), errno);
            let error = error.into_map().unwrap().reprotect(perms::None);
            let mut map = error.unwrap_err().into_map().unwrap();
            assert_eq!(map.addr(), addr);
            assert_eq!(Vma::of(&map).perms, "rw-p");
            map[0] = 1;
            assert_eq!(map[1], 7);
            let empty = anonymous(0).reprotect(perms::Read);
            assert!(empty.is_ok(), "there is nothing to refuse");
        });
        assert!(status.success());
    }
}
