//! Growing and shrinking: every length around a page, 0 and back, in place and elsewhere, and what a refusal gives back.

use std::os::unix::fs::FileExt;

use mmarinus::backing::{Backing, Resizable};
use mmarinus::kind::Kind;
use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Map, Private, ProtFlags, Shared};
use rustix::process::Resource;

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, file_map, is_free, limit, page, pattern, patterned,
    without_privileges,
};
use crate::testing::in_child;

/// Lengths around pages, up and down.
fn lengths() -> [usize; 12] {
    let page = page();
    [
        1,
        page - 1,
        page,
        page + 1,
        5 * page + 7,
        2 * page,
        64 * page + 1,
        64 * page,
        3 * page - 1,
        page,
        2,
        1,
    ]
}

#[test]
fn bytes_stay_and_new_pages_are_zeros() {
    let mut map = anonymous(1);
    // The bytes of all whole pages, since what a page holds past the length comes back with it.
    let mut model = vec![0; page()];
    for (round, len) in (1..).zip(lengths()) {
        map = map.resize(len).unwrap();
        model.resize(len.next_multiple_of(page()), 0);
        assert_eq!(map.len(), len);
        assert_eq!(map.pages(), (map.addr(), model.len()));
        assert_eq!(map[..], model[..len], "{len}");
        assert_eq!(Vma::of(&map).perms, "rw-p");
        for index in [0, len / 2, len - 1] {
            map[index] = round;
            model[index] = round;
        }
    }
}

#[test]
fn what_is_cut_off_is_unmapped() {
    let status = in_child!({
        let mut map = anonymous(6 * page());
        map.fill(7);
        let addr = map.addr();
        let map = map.resize(4 * page() - 1).unwrap();
        assert!(is_free(addr + 4 * page(), 2 * page()));
        let map = map.resize_in_place(1).unwrap();
        assert_eq!((map.addr(), map[0]), (addr, 7));
        assert!(is_free(addr + page(), 5 * page()));
        let map = map.resize(2 * page()).unwrap();
        assert_eq!((map[page() - 1], map[page()]), (7, 0));
    });
    assert!(status.success());
}

#[test]
fn nothing_and_back() {
    let status = in_child!({
        let mut map = anonymous(3 * page());
        map.fill(7);
        let addr = map.addr();
        let map = map.resize(0).unwrap();
        assert!(map.is_empty() && map.as_slice().is_empty());
        assert_eq!(map.pages().1, 0);
        assert!(is_free(addr, 3 * page()));
        let map = map.resize(0).unwrap().resize_in_place(0).unwrap();
        let mut map = map.resize(2 * page() + 1).unwrap();
        assert!(map.iter().all(|&byte| byte == 0));
        map.fill(1);
        assert_eq!(Vma::of(&map).perms, "rw-p");
        // The type, or what is remembered, says what the new pages allow.
        let map = map.reprotect(perms::Read).unwrap().resize(0).unwrap();
        let map = map.resize(1).unwrap();
        assert_eq!((Vma::of(&map).perms.as_str(), map[0]), ("r--p", 0));
        let map = map.reprotect(Unknown(ProtFlags::empty())).unwrap();
        let map = map.resize(0).unwrap().resize(page()).unwrap();
        assert_eq!(Vma::of(&map).perms, "---p");
    });
    assert!(status.success());
}

#[test]
fn in_place_only_where_there_is_room() {
    let status = in_child!({
        let (mut one, mut two) = anonymous(8 * page()).split(2 * page()).unwrap();
        one.fill(1);
        two.fill(2);
        let addr = one.addr();
        let error = one.resize_in_place(3 * page()).unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::NOMEM, "mremap"));
        assert!(error.to_string().contains("what follows the map is taken"));
        let one = error.into_map().unwrap();
        assert_eq!(
            (one.addr(), one.len(), one[2 * page() - 1]),
            (addr, 2 * page(), 1)
        );
        assert!(two.iter().all(|&byte| byte == 2));
        drop(two);
        let one = one.resize_in_place(8 * page()).unwrap();
        assert_eq!(one.addr(), addr);
        assert_eq!((one[2 * page() - 1], one[2 * page()]), (1, 0));
        assert_eq!(Vma::of(&one).end, addr + 8 * page());
    });
    assert!(status.success());
}

#[test]
fn a_part_moves_away_from_its_neighbour() {
    let status = in_child!({
        let (mut one, mut two) = anonymous(4 * page()).split(2 * page()).unwrap();
        one.fill(1);
        two.fill(2);
        let addr = one.addr();
        let one = one.resize(4 * page()).unwrap();
        assert!(one.addr() != addr && is_free(addr, 2 * page()));
        assert!(one[..2 * page()].iter().all(|&byte| byte == 1));
        assert!(one[2 * page()..].iter().all(|&byte| byte == 0));
        assert!(two.iter().all(|&byte| byte == 2));
        // The front of the room is free, the back is not this map's to take.
        let two = two.resize(page()).unwrap();
        assert!(two.iter().all(|&byte| byte == 2));
        assert!(is_free(addr + 3 * page(), page()));
    });
    assert!(status.success());
}

#[test]
fn files_show_more_of_themselves() {
    fn assert_grows<K: Kind>(kind: K)
    where
        mmarinus::backing::File: Resizable<K> + Backing<K>,
    {
        let file = disk_file(3 * page());
        let map = Map::bytes(10).from(&file, 100).with_kind(kind);
        let map = map.with(perms::ReadWrite).unwrap();
        let head = map.addr() % page();
        assert_eq!(head, 100);
        let map = map.resize(2 * page()).unwrap();
        assert_eq!(bytes_of(&map), patterned(100, 2 * page()));
        assert_eq!(map.addr() % page(), head);
        assert_eq!(map.pages().1, 3 * page());
        // Past the end of the file a copy is an error, until the file is there.
        let map = map.resize(6 * page()).unwrap();
        let fault = map.read_at(3 * page(), &mut [0; 1]).unwrap_err();
        assert_eq!(fault.errno(), Errno::FAULT);
        file.set_len(8 * page() as u64).unwrap();
        let mut byte = [1];
        map.read_at(3 * page(), &mut byte).unwrap();
        assert_eq!(byte, [0]);
        let map = map.resize(1).unwrap();
        assert_eq!(bytes_of(&map), [pattern(100)]);
    }
    assert_grows(Private);
    assert_grows(Shared);
}

#[test]
fn what_is_written_to_the_grown_part_of_a_shared_map_is_in_the_file() {
    let file = disk_file(4 * page());
    let map = Map::bytes(page()).from(&file, 0).with_kind(Shared);
    let mut map = map
        .with(perms::ReadWrite)
        .unwrap()
        .resize(4 * page())
        .unwrap();
    map.write_at(3 * page() - 1, b"over").unwrap();
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, 3 * page() as u64 - 1)
        .unwrap();
    assert_eq!(&bytes, b"over");
    assert_eq!(Vma::of(&map).perms, "rw-s");
}

#[test]
fn more_than_rust_allows_gives_the_map_back() {
    fn assert_refuses<K: Kind, B: Resizable<K>>(mut map: Map<perms::ReadWrite, K, B>) {
        let (addr, len, bytes) = (map.addr(), map.len(), bytes_of(&map));
        let half = isize::MAX as usize;
        for size in [
            half - page(),
            half - 1,
            half,
            half + 1,
            usize::MAX - page(),
            usize::MAX,
        ] {
            for in_place in [false, true] {
                let resized = if in_place {
                    map.resize_in_place(size)
                } else {
                    map.resize(size)
                };
                let error = resized.unwrap_err();
                // Since Linux 6.17, lengths past the end of the address space are EINVAL.
                assert!(
                    [Errno::NOMEM, Errno::INVAL].contains(&error.errno()),
                    "{error}"
                );
                if size >= half {
                    assert_eq!(error.errno(), Errno::NOMEM, "{size:#x}");
                    assert!(error.to_string().contains("isize::MAX"), "{error}");
                }
                map = error.into_map().unwrap();
            }
        }
        assert_eq!((map.addr(), map.len(), bytes_of(&map)), (addr, len, bytes));
        assert_eq!(&Vma::of(&map).perms[..2], "rw");
    }
    assert_refuses(anonymous(page() + 1));
    assert_refuses(file_map(page() + 1, Private));
    assert_refuses(file_map(page() + 1, Shared));
    let error = anonymous(0).resize(usize::MAX).unwrap_err();
    assert!(error.to_string().contains("isize::MAX"), "{error}");
    assert!(error.into_map().unwrap().is_empty());
}

#[test]
fn an_empty_map_of_a_file_does_not_grow() {
    let map = file_map(page(), Shared).resize(0).unwrap();
    let map = map.resize(0).unwrap();
    let error = map.resize(1).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.to_string().contains("map anew"), "{error}");
    let map = error.into_map().unwrap();
    assert!(map.resize_in_place(page()).is_err());
    let (none, map) = file_map(page(), Private).split(0).unwrap();
    assert_eq!(none.resize(page()).unwrap_err().errno(), Errno::INVAL);
    assert_eq!(bytes_of(&map), patterned(0, page()));
}

#[test]
fn limits_give_the_map_back() {
    let status = in_child!({
        limit(Resource::As, 1 << 30);
        let mut map = anonymous(2 * page());
        map.fill(7);
        let error = map.resize(2 << 30).unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM);
        assert!(error.to_string().contains("RLIMIT_AS"), "{error}");
        let mut map = error.into_map().unwrap();
        assert!(map.iter().all(|&byte| byte == 7));
        map.fill(8);
        assert_eq!(map.resize(3 * page()).unwrap()[2 * page() - 1], 8);
    });
    assert!(status.success());
}

#[test]
fn a_locked_map_grows_only_to_the_limit() {
    let status = in_child!({
        limit(Resource::Memlock, 8 * page() as u64);
        without_privileges(|| {
            let mut map = anonymous(4 * page());
            map.fill(7);
            map.lock(..).unwrap();
            let error = map.resize(9 * page()).unwrap_err();
            assert_eq!(error.errno(), Errno::AGAIN);
            assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}");
            let map = error.into_map().unwrap();
            assert!(Vma::of(&map).has("lo"));
            let map = map.resize(8 * page()).unwrap();
            assert!(Vma::of(&map).has("lo"));
            assert_eq!(Vma::of(&map).bytes("Locked"), 8 * page());
            assert_eq!((map[4 * page() - 1], map[4 * page()]), (7, 0));
        });
    });
    assert!(status.success());
}
