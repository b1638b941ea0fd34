//! Transitions of a map that stays where it stands: what is in its place after a success, an error and a panic.

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU8, Ordering};
use std::panic::catch_unwind;

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::perms::Permissions;
use mmarinus::{Errno, Map, Shared, perms};

use crate::common::{anonymous, bytes_of, file_map, memory_file, page, shared};
use crate::testing::in_child;

#[test]
fn a_field_grows() {
    let mut map = anonymous(page());
    map[0] = 7;
    map.update(|map| map.resize(10 * page())).expect("room");
    assert_eq!((map.len(), map[0], map[9 * page()]), (10 * page(), 7, 0));
}

#[test]
fn several_transitions_are_one_update() {
    let mut map = anonymous(4 * page());
    map[3 * page()] = 7;
    map.update(|map| {
        let (first, second) = map.split(2 * page())?;
        first.unmap()?;
        Ok(second)
    })
    .expect("pages");
    assert_eq!((map.len(), map[page()]), (2 * page(), 7));
}

#[test]
fn a_refusal_leaves_the_map() {
    let mut map = shared(page());
    map.atomics::<AtomicU8>(..).expect("atomics")[5].store(7, Ordering::Relaxed);
    let address = map.addr();
    let error = map.update(|map| Ok(map.split(1)?.0)).unwrap_err();
    assert_eq!((error.errno(), error.operation()), (Errno::INVAL, "split"));
    assert_eq!((map.addr(), map.len()), (address, page()));
    assert_eq!(bytes_of(&map)[5], 7);
}

#[test]
fn an_error_with_another_map_puts_that_in_its_place() {
    let mut map = anonymous(page());
    let address = map.addr();
    let mut stolen = None;
    let error = map.update(|map| {
        stolen = Some(map);
        Err(anonymous(2 * page()).split(1).unwrap_err())
    });
    assert_eq!(error.unwrap_err().errno(), Errno::INVAL);
    assert_eq!(stolen.expect("the old one").addr(), address);
    assert_eq!((map.len(), map[2 * page() - 1]), (2 * page(), 0));
}

/// What is left of a map after a panic in an update.
fn after_panic<P: Permissions, K: Kind, B: Backing<K>>(mut map: Map<P, K, B>) -> Map<P, K, B> {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        map.update(|map| {
            drop(map);
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!((map.len(), map.pages().1), (0, 0));
    map
}

#[test]
fn after_a_panic_there_is_an_empty_map() {
    // In a child, whose panics are shown only if the test fails.
    let status = in_child!({
        let map = after_panic(anonymous(page()));
        assert_eq!(&map[..], []);
        assert_eq!(map.stats().expect("figures").len(), 0);
        map.advise(.., mmarinus::Advice::NORMAL)
            .expect("nothing to advise");
        // It can grow, as any empty map of private memory.
        let map = map.resize(page()).expect("room");
        assert_eq!(map[page() - 1], 0);

        let map = after_panic(file_map(page(), Shared));
        assert!(map.read_at(0, &mut [0]).is_err());
        assert_eq!(map.resize(page()).unwrap_err().errno(), Errno::INVAL);

        let map = after_panic(shared(page()));
        assert_eq!(map.atomics::<AtomicU8>(..).expect("none").len(), 0);
    });
    assert!(status.success());
}

#[test]
fn an_empty_map_does_not_forget_the_options_it_was_made_with() {
    let status = in_child!({
        let map = Map::bytes(page())
            .anonymously()
            .dont_fork()
            .with(perms::ReadWrite)
            .expect("memory");
        // New pages would not be kept from children.
        let error = after_panic(map).resize(page()).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        let map = Map::bytes(page())
            .anonymously()
            .guarded()
            .with(perms::ReadWrite)
            .expect("memory");
        let error = after_panic(map).resize(page()).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
    });
    assert!(status.success());
}

#[test]
fn a_shared_map_and_its_file_grow() {
    let file = memory_file(page());
    let mut map = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .expect("a map");
    map.update(|map| map.grow_file(&file, 8 * page()))
        .expect("room");
    assert_eq!(map.len(), 8 * page());
    assert_eq!(
        file.metadata().expect("its length").len(),
        8 * page() as u64
    );
    let error = map.update(|map| map.grow_file(&file, page())).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert_eq!(map.len(), 8 * page());
}
