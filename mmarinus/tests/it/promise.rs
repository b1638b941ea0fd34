//! Promises: `assume_stable`, `assume_present`, `expose`, and forgetting the permissions.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use mmarinus::backing::{Anonymous, Exposed, File, Present, Stable};
use mmarinus::perms::{self, Unknown};
use mmarinus::{Map, Private, ProtFlags, Shared};

use crate::common::{Vma, anonymous, bytes_of, disk_file, file_map, page, patterned, shared};
use crate::raw::{keep_present, present, stable};

#[test]
fn a_promise_changes_the_type_alone() {
    let file = disk_file(2 * page());
    let map = Map::bytes(page())
        .from(&file, 100)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let (addr, pages, len) = (map.addr(), map.pages(), map.len());
    let map: Map<perms::ReadWrite, Shared, Present> = keep_present(map);
    assert_eq!((map.addr(), map.pages(), map.len()), (addr, pages, len));
    assert_eq!(bytes_of(&map), patterned(100, page()));
    let map: Map<perms::ReadWrite, Shared, Exposed> = map.expose();
    assert_eq!((map.addr(), map.pages(), map.len()), (addr, pages, len));
    assert_eq!(bytes_of(&map), patterned(100, page()));
}

#[test]
fn a_stable_map_writes_its_file() {
    let map: Map<perms::ReadWrite, Shared, Stable> = stable(page(), Shared, perms::ReadWrite);
    let mut map = map;
    map[0] = 99;
    let map = map.reprotect(perms::Read).unwrap();
    assert_eq!((map[0], map[1]), (99, 1));
    let map: Map<perms::Read, Private, Stable> = stable(page(), Private, perms::Read);
    let mut map = map.reprotect(perms::ReadWrite).unwrap();
    map[0] = 99;
    assert_eq!(map[1..], patterned(0, page())[1..]);
}

#[test]
fn what_is_exposed_keeps_its_bytes() {
    let mut map = anonymous(page());
    map[4..8].copy_from_slice(&77_u32.to_ne_bytes());
    let map: Map<perms::ReadWrite, Private, Exposed> = map.expose();
    assert_eq!(map.atomics::<AtomicU32>(4..8).unwrap()[0].load(Relaxed), 77);
    map.view(..)
        .unwrap()
        .write_at(8, &1_u32.to_ne_bytes())
        .unwrap();
    assert_eq!(map.atomics::<AtomicU32>(..).unwrap()[2].load(Relaxed), 1);
    // Exposing twice changes nothing.
    let map: Map<perms::ReadWrite, Private, Exposed> = map.expose();
    assert_eq!(map.atomics::<AtomicU32>(4..8).unwrap()[0].load(Relaxed), 77);
    let map: Map<perms::Read, Shared, Exposed> =
        shared(page()).reprotect(perms::Read).unwrap().expose();
    assert_eq!(map.observe::<AtomicU32>(..).unwrap()[0].load(), 0);
    let map: Map<perms::None, Private, Exposed> =
        anonymous(page()).reprotect(perms::None).unwrap().expose();
    assert_eq!(map.len(), page());
    assert!(
        present(page(), Shared, perms::Read)
            .expose()
            .observe::<AtomicU32>(..)
            .is_ok()
    );
}

#[test]
fn forgotten_permissions_are_remembered() {
    let map: Map<Unknown, Private, Anonymous> = anonymous(page()).forget_permissions();
    assert_eq!(map.permissions(), ProtFlags::READ | ProtFlags::WRITE);
    let map: Map<Unknown, Shared, File> = file_map(page(), Shared).into();
    assert_eq!(map.permissions(), ProtFlags::READ | ProtFlags::WRITE);
    assert_eq!(bytes_of(&map), patterned(0, page()));
    let map = Map::<Unknown>::from(anonymous(10).reprotect(perms::Execute).unwrap());
    assert_eq!(map.permissions(), ProtFlags::EXEC);
    let known: Map<perms::Read> = map.reprotect(perms::Read).unwrap();
    assert_eq!(*known, [0; 10]);
    // Different maps in one list.
    let maps: Vec<Map<Unknown>> = vec![
        anonymous(1).into(),
        known.into(),
        anonymous(0).reprotect(perms::None).unwrap().into(),
    ];
    let flags: Vec<ProtFlags> = maps.iter().map(Map::permissions).collect();
    assert_eq!(
        flags,
        [
            ProtFlags::READ | ProtFlags::WRITE,
            ProtFlags::READ,
            ProtFlags::empty()
        ]
    );
}

#[test]
fn maps_say_what_they_are() {
    let map = shared(5).reprotect(perms::Read).unwrap();
    let text = format!("{map:?}");
    for part in [
        "Map",
        &format!("{:#x}", map.addr()),
        "len: 5",
        "Read",
        "Shared",
        "Anonymous",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let text = format!("{:?}", file_map(5, Private).forget_permissions());
    for part in ["Unknown", "Private", "File"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(Vma::of(&map).perms, "r--s");
}

#[test]
fn maps_are_three_words() {
    use mmarinus::backing::Device;
    assert_eq!(size_of::<Map<perms::Read>>(), 3 * size_of::<usize>());
    assert_eq!(
        size_of::<Option<Map<perms::Read>>>(),
        3 * size_of::<usize>()
    );
    assert_eq!(
        size_of::<Map<perms::ReadWriteExecute, Shared, Device>>(),
        3 * size_of::<usize>()
    );
    assert_eq!(
        size_of::<Option<Map<perms::None, Shared, Exposed>>>(),
        3 * size_of::<usize>()
    );
    assert!(size_of::<mmarinus::Error>() <= 32);
}
