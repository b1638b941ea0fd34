//! Memory that the kernel may drop: how it is asked for, what it does, and where there is none of it.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use mmarinus::backing::{
    Concurrent, Discardable, Droppable, Exposed, NoFault, Resizable, Unsliced, Written,
};
use mmarinus::{Errno, Error, Map, Private, perms};
use mmarinus_sys::Support;

use crate::common::{Vma, bytes_of, page};
use crate::raw::in_fork;
use crate::testing::needs;

type Cache = Map<perms::ReadWrite, Private, Droppable>;

fn cache(len: usize) -> Result<Cache, Error> {
    Map::bytes(len).droppable().with(perms::ReadWrite)
}

#[test]
fn it_is_written_read_and_zeros_at_first() {
    needs!(droppable);
    let mut map = cache(3 * page()).unwrap();
    assert!(bytes_of(&map).iter().all(|&byte| byte == 0));
    map.write_at(page() - 2, b"hello").unwrap();
    map.view(..).unwrap().write_at(0, b"x").unwrap();
    map.atomics::<AtomicU32>(8..12).unwrap()[0].store(7, Relaxed);
    let bytes = bytes_of(&map);
    assert_eq!((bytes[0], bytes[8]), (b'x', 7));
    assert_eq!(bytes[page() - 2..page() + 3], *b"hello");
    assert!(
        Vma::of(&map).has("dp"),
        "the kernel says that it is droppable"
    );
    map.discard(page()..2 * page()).unwrap();
    assert_eq!(bytes_of(&map)[page()..page() + 3], [0; 3]);
}

#[test]
fn it_can_be_asked_for_in_any_order() {
    needs!(droppable);
    let maps: [Cache; 5] = [
        Map::bytes(1).droppable().with(perms::ReadWrite).unwrap(),
        Map::bytes(1)
            .anywhere()
            .anonymously()
            .droppable()
            .populate()
            .with(perms::ReadWrite)
            .unwrap(),
        Map::bytes(1)
            .named("cache")
            .droppable()
            .named("a")
            .with(perms::ReadWrite)
            .unwrap(),
        Map::bytes(1)
            .droppable()
            .no_reserve()
            .stack()
            .with_kind(Private)
            .with(perms::ReadWrite)
            .unwrap(),
        Map::bytes(1)
            .droppable()
            .aligned_to(1 << 22)
            .dont_fork()
            .with(perms::ReadWrite)
            .unwrap(),
    ];
    for map in &maps {
        assert!(Vma::of(map).has("dp"));
    }
    // The last source counts.
    let plain: Map<perms::ReadWrite> = Map::bytes(1)
        .droppable()
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    assert!(!Vma::of(&plain).has("dp"));
}

#[test]
fn a_child_sees_zeros() {
    needs!(droppable);
    let mut map = cache(page()).unwrap();
    map.write_at(0, &[7; 16]).unwrap();
    assert!(in_fork(|| {
        let mut bytes = [1; 16];
        map.read_at(0, &mut bytes).is_ok() && bytes == [0; 16]
    }));
    assert_eq!(bytes_of(&map)[..16], [7; 16]);
}

#[test]
fn it_grows_shrinks_and_moves() {
    needs!(droppable);
    let mut map = cache(page()).unwrap();
    map.write_at(0, b"kept").unwrap();
    let map = map.resize(64 * page()).unwrap();
    assert_eq!(bytes_of(&map)[..4], *b"kept");
    assert_eq!(bytes_of(&map)[63 * page()], 0);
    let mut map = map.resize(2 * page()).unwrap();
    let taken = map.take_pages().unwrap();
    assert_eq!((bytes_of(&map)[0], bytes_of(&taken)[0]), (0, b'k'));
    assert!(Vma::of(&taken).has("dp"));
    // What grows from nothing may be dropped as well.
    let map = map.resize(0).unwrap().resize(page()).unwrap();
    assert!(Vma::of(&map).has("dp"));
    let empty = cache(0).unwrap().resize(page()).unwrap();
    assert!(Vma::of(&empty).has("dp"));
}

#[test]
fn it_replaces_and_is_replaced() {
    needs!(droppable);
    let mut old = crate::common::anonymous(2 * page());
    old.fill(7);
    let map: Cache = old.remap().droppable().with(perms::ReadWrite).unwrap();
    assert_eq!(bytes_of(&map), vec![0; 2 * page()]);
    let map = map.remap().anonymously().with(perms::ReadWrite).unwrap();
    assert!(map.iter().all(|&byte| byte == 0) && !Vma::of(&map).has("dp"));
}

#[test]
fn locking_it_is_no_error_and_does_nothing() {
    needs!(droppable);
    let map = cache(page()).unwrap();
    map.lock(..).unwrap();
    assert!(!Vma::of(&map).has("lo"));
    map.unlock(..).unwrap();
}

#[test]
fn it_is_not_kept_in_memory() {
    let error = Map::bytes(page())
        .droppable()
        .locked()
        .with(perms::ReadWrite)
        .unwrap_err();
    assert_eq!((error.errno(), error.operation()), (Errno::INVAL, "mmap"));
    assert!(
        error.to_string().contains("leave out `.locked()`"),
        "{error}"
    );
}

#[test]
fn older_kernels_say_since_when() {
    match cache(page()) {
        Ok(_) => assert!(Support::droppable()),
        Err(error) => {
            assert!(!Support::droppable());
            assert_eq!(error.errno(), Errno::INVAL);
            assert!(error.to_string().contains("Linux 6.11"), "{error}");
        }
    }
}

/// Compiles only if droppable memory is all that it should be; what it should not be is in `ui`.
#[test]
fn it_stands_on_the_second_rung() {
    fn rung<B>() -> usize
    where
        B: NoFault<Private>
            + Concurrent<Private>
            + Unsliced<Private>
            + Written<Private>
            + Resizable<Private>
            + Discardable<Private>,
    {
        size_of::<Map<perms::Read, Private, B>>()
    }
    assert_eq!(rung::<Droppable>(), 3 * size_of::<usize>());
    fn exposed(map: Cache) -> Map<perms::ReadWrite, Private, Exposed> {
        map.expose()
    }
    if let Ok(map) = cache(page()) {
        let mut map = exposed(map);
        map.write_at(0, b"x").unwrap();
        map.discard(..).unwrap();
        assert_eq!(bytes_of(&map)[0], 0);
    }
}

#[test]
fn it_is_not_in_huge_pages() {
    needs!(droppable);
    let request = Map::bytes(1)
        .droppable()
        .with_huge_pages(mmarinus::HugePage::DEFAULT);
    let error = request.with(perms::ReadWrite).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.to_string().contains("`.droppable()`"), "{error}");
}
