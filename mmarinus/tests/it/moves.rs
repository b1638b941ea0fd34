//! Moving a map to an address: on each backing, beside what is taken, and to places that are none.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Map, Private, ProtFlags, Shared};

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, exposed, file_map, is_free, mappings, page, patterned,
    shared,
};
use crate::raw::{present, stable};
use crate::testing::in_child;

/// An address with so many free bytes behind it. Only in a child, where nobody else maps.
fn free(len: usize) -> usize {
    let map = Map::bytes(len + 2 * page()).anonymously().with(perms::None);
    map.expect("room").addr() + page()
}

#[test]
fn maps_of_every_kind_move() {
    fn assert_moves<K: Kind, B: Backing<K>>(map: Map<perms::ReadWrite, K, B>) {
        let (old, len, bytes, before) = (map.pages(), map.len(), bytes_of(&map), Vma::of(&map));
        let to = free(old.1) + map.addr() - old.0;
        let mapped = mappings();
        let map = map.move_to(to).unwrap();
        assert_eq!((map.addr(), map.len(), bytes_of(&map)), (to, len, bytes));
        assert!(is_free(old.0, old.1), "nothing is left behind");
        let after = Vma::of(&map);
        assert_eq!((after.perms, after.offset), (before.perms, before.offset));
        assert!(mappings() <= mapped + 1);
        let pages = map.pages();
        drop(map);
        assert!(is_free(pages.0, pages.1));
    }
    let status = in_child!({
        let mut map = anonymous(3 * page() + 1);
        map.fill(7);
        assert_moves(map);
        assert_moves(shared(2 * page()));
        assert_moves(exposed(1));
        assert_moves(file_map(2 * page() - 1, Private));
        assert_moves(file_map(2 * page() + 1, Shared));
        assert_moves(stable(page(), Private, perms::ReadWrite));
        assert_moves(present(page(), Shared, perms::ReadWrite));
        let file = disk_file(4 * page());
        let map = Map::bytes(2 * page())
            .from(&file, 100)
            .with(perms::ReadWrite);
        assert_moves(map.unwrap());
    });
    assert!(status.success());
}

#[test]
fn a_moved_map_is_used_changed_and_moved_again() {
    let status = in_child!({
        let map = shared(page());
        map.atomics::<AtomicU32>(..).unwrap()[3].store(5, Relaxed);
        let map = map.move_to(free(page())).unwrap();
        assert_eq!(map.atomics::<AtomicU32>(..).unwrap()[3].load(Relaxed), 5);
        // The size of the atomics moves along.
        assert!(map.atomics::<core::sync::atomic::AtomicU8>(..).is_err());

        let mut map = anonymous(2 * page());
        map.fill(3);
        map.lock(..).unwrap();
        let map = map.move_to(free(2 * page())).unwrap();
        assert!(Vma::of(&map).has("lo"));
        let map = map.reprotect(Unknown(ProtFlags::empty())).unwrap();
        let map = map.move_to(free(2 * page())).unwrap();
        assert_eq!(Vma::of(&map).perms, "---p");
        let map = map.reprotect(perms::Read).unwrap();
        let (one, two) = map.split(page()).unwrap();
        let two = two.move_to(free(page())).unwrap();
        assert!(one.iter().chain(two.iter()).all(|&byte| byte == 3));
    });
    assert!(status.success());
}

#[test]
fn what_is_taken_is_not_taken_over() {
    let status = in_child!({
        let mut taken = anonymous(3 * page());
        taken.fill(9);
        let mut map = anonymous(2 * page());
        map.fill(7);
        let at = taken.addr();
        let own = map.addr();
        let mapped = mappings();
        for to in [
            at - page(),
            at,
            at + page(),
            at + 2 * page(),
            own,
            own + page(),
            own - page(),
        ] {
            let error = map.move_to(to).unwrap_err();
            assert_eq!((error.errno(), error.operation()), (Errno::EXIST, "mremap"));
            assert!(
                error.to_string().contains("something is mapped there"),
                "{error}"
            );
            map = error.into_map().unwrap();
            assert_eq!((map.addr(), map.len()), (own, 2 * page()));
        }
        assert!(taken.iter().all(|&byte| byte == 9) && map.iter().all(|&byte| byte == 7));
        assert_eq!(mappings(), mapped, "no reservation is left");
    });
    assert!(status.success());
}

#[test]
fn places_that_are_none_give_the_map_back() {
    let status = in_child!({
        let file = disk_file(4 * page());
        let mut map = Map::bytes(page())
            .from(&file, 100)
            .with(perms::Read)
            .unwrap();
        let (own, mapped) = (map.addr(), mappings());
        let place = free(3 * page());
        for to in [place, place + 99, place + 101, place - 1, 1, 0, usize::MAX] {
            let error = map.move_to(to).unwrap_err();
            assert_eq!(error.errno(), Errno::INVAL, "{to:#x}");
            assert!(
                error.to_string().contains("modulo the page size"),
                "{error}"
            );
            map = error.into_map().unwrap();
        }
        let error = map.move_to(100).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        assert!(error.to_string().contains("page 0"), "{error}");
        map = error.into_map().unwrap();
        let last = 0_usize.wrapping_sub(page());
        for to in [
            last + 100,
            (1 << (usize::BITS - 1)) + 100,
            isize::MAX as usize - page() + 101,
        ] {
            map = map.move_to(to).unwrap_err().into_map().unwrap();
        }
        assert_eq!((map.addr(), bytes_of(&map)), (own, patterned(100, page())));
        assert_eq!(mappings(), mapped);
        assert_eq!(map.move_to(place + 100).unwrap().addr(), place + 100);
    });
    assert!(status.success());
}
