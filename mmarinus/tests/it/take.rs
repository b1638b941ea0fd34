//! Taking pages out of a map: all, some, none, and ranges that are no pages.

use core::ops::Bound;

use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Map, Private, ProtFlags};
use rustix::process::Resource;

use crate::common::{Vma, anonymous, bytes_of, disk_file, file_map, limit, page, patterned};
use crate::testing::{in_child, needs};

/// Anonymous memory whose pages are full of their number, from 1 on.
fn numbered(pages: usize) -> Map<perms::ReadWrite> {
    let mut map = anonymous(pages * page());
    for (value, page) in (1..).zip(map.chunks_mut(page())) {
        page.fill(value);
    }
    map
}

/// The byte that each page is full of.
fn values(map: &[u8]) -> Vec<u8> {
    map.chunks(page())
        .map(|page| {
            assert!(page.iter().all(|&byte| byte == page[0]));
            page[0]
        })
        .collect()
}

#[test]
fn all_pages_go_and_zeros_stay() {
    let mut map = numbered(3);
    let mut taken = map.take_pages().unwrap();
    assert_eq!((values(&map), values(&taken)), (vec![0; 3], vec![1, 2, 3]));
    assert_ne!(map.addr(), taken.addr());
    // Nothing was copied, and both are maps of their own.
    assert_eq!(Vma::of(&taken).perms, "rw-p");
    map.fill(8);
    taken.fill(9);
    assert_eq!((values(&map), values(&taken)), (vec![8; 3], vec![9; 3]));
    let again = map.take_pages().unwrap();
    assert_eq!((values(&map), values(&again)), (vec![0; 3], vec![8; 3]));
    let taken = taken.resize(5 * page()).unwrap();
    assert_eq!(values(&taken), [9, 9, 9, 0, 0]);
    drop(taken);
    assert_eq!((values(&map), values(&again)), (vec![0; 3], vec![8; 3]));
}

#[test]
fn nothing_is_brought_in_or_copied() {
    // Alone, so that nobody maps or unmaps what the kernel counts with it.
    let status = in_child!({
        let mut map = numbered(16);
        let taken = map.take_pages().unwrap();
        // The kernel's own account: the pages are in the new mapping alone. Neighbours in the mapping may have pages as well.
        let pages = 16 * page();
        assert!(Vma::of(&taken).bytes("Rss") >= pages);
        let vma = Vma::of(&map);
        assert!(vma.bytes("Rss") <= vma.end - vma.start - pages);
    });
    assert!(status.success());
}

#[test]
fn some_pages_go_by_each_form_of_range() {
    let page = page();
    let mut map = numbered(6);
    let taken = map.take_pages_at(page..3 * page).unwrap();
    assert_eq!(
        (values(&map), values(&taken)),
        (vec![1, 0, 0, 4, 5, 6], vec![2, 3])
    );
    let taken = numbered(6).take_pages_at(..page).unwrap();
    assert_eq!(values(&taken), [1]);
    let mut map = numbered(6);
    let taken = map
        .take_pages_at((Bound::Excluded(4 * page - 1), Bound::Unbounded))
        .unwrap();
    assert_eq!(
        (values(&map), values(&taken)),
        (vec![1, 2, 3, 4, 0, 0], vec![5, 6])
    );
    let taken = numbered(6).take_pages_at(5 * page..=6 * page - 1).unwrap();
    assert_eq!(values(&taken), [6]);
    let taken = numbered(2).take_pages_at(..).unwrap();
    assert_eq!(values(&taken), [1, 2]);
}

#[test]
fn neighbours_keep_their_pages() {
    let (mut one, rest) = numbered(6).split(2 * page()).unwrap();
    let (mut two, mut three) = rest.split(2 * page()).unwrap();
    let taken = two.take_pages().unwrap();
    assert_eq!((values(&one), values(&three)), (vec![1, 2], vec![5, 6]));
    assert_eq!((values(&two), values(&taken)), (vec![0, 0], vec![3, 4]));
    one.fill(1);
    three.fill(3);
    drop(two);
    assert_eq!(
        (values(&one), values(&three), values(&taken)),
        (vec![1; 2], vec![3; 2], vec![3, 4])
    );
}

#[test]
fn no_pages_are_an_empty_map() {
    let mut map = numbered(2);
    for offset in [0, 1, page(), 2 * page() - 1, 2 * page()] {
        assert!(map.take_pages_at(offset..offset).unwrap().is_empty());
    }
    assert!(anonymous(0).take_pages().unwrap().is_empty());
    assert!(anonymous(0).take_pages_at(..).unwrap().is_empty());
    assert_eq!(values(&map), [1, 2]);
    assert_eq!(map.take_pages().unwrap().len(), 2 * page());
}

#[test]
fn ranges_that_are_no_pages_are_refused() {
    let page = page();
    let mut map = numbered(3).resize(3 * page - 5).unwrap();
    let len = map.len();
    for range in [
        1..page,
        0..1,
        0..page + 1,
        page - 1..len,
        page..2 * page + 1,
        1..len,
    ] {
        let error = map.take_pages_at(range.clone()).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{range:?}");
        assert!(error.to_string().contains("whole pages"), "{error}");
    }
    let far = usize::MAX;
    for range in [
        0..len + 1,
        0..3 * page,
        len + 1..len + 1,
        0..far,
        far..far,
        far - page..far,
    ] {
        let error = map.take_pages_at(range.clone()).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{range:?}");
    }
    assert!(map.take_pages_at(..=far).is_err());
    assert_eq!(values(&map), [1, 2, 3]);
    // The last page, which is not full, goes whole.
    let taken = map.take_pages_at(2 * page..).unwrap();
    assert_eq!((values(&taken), taken.len()), (vec![3], page - 5));
    assert_eq!(values(&map), [1, 2, 0]);
}

#[test]
fn a_private_map_of_a_file_shows_the_file_again() {
    needs!(linux = "5.13");
    let mut map = file_map(3 * page(), Private);
    map.write_at(page(), &vec![0; page()]).unwrap();
    let taken = map.take_pages().unwrap();
    assert_eq!(bytes_of(&map), patterned(0, 3 * page()));
    let mut expected = patterned(0, 3 * page());
    expected[page()..2 * page()].fill(0);
    assert_eq!(bytes_of(&taken), expected);
    // With a head: the first page is taken whole, and the bytes still start inside of it.
    let file = disk_file(4 * page());
    let mut map = Map::bytes(2 * page())
        .from(&file, 100)
        .with(perms::ReadWrite)
        .unwrap();
    map.write_at(0, b"here").unwrap();
    assert!(map.take_pages_at(..page()).is_err());
    let taken = map.take_pages_at(..page() - 100).unwrap();
    assert_eq!((taken.addr() % page(), taken.len()), (100, page() - 100));
    assert_eq!(
        bytes_of(&taken)[..5],
        [b'h', b'e', b'r', b'e', patterned(104, 1)[0]]
    );
    assert_eq!(bytes_of(&map), patterned(100, 2 * page()));
}

#[test]
fn permissions_go_along() {
    let mut map = numbered(2).reprotect(perms::Read).unwrap();
    let taken = map.take_pages().unwrap();
    assert_eq!((values(&map), values(&taken)), (vec![0; 2], vec![1, 2]));
    assert_eq!(Vma::of(&map).perms, "r--p");
    assert_eq!(Vma::of(&taken).perms, "r--p");
    let mut map = taken.reprotect(Unknown(ProtFlags::empty())).unwrap();
    let taken = map.take_pages().unwrap();
    assert_eq!(taken.permissions(), ProtFlags::empty());
    assert_eq!(Vma::of(&taken).perms, "---p");
    assert_eq!(values(&taken.reprotect(perms::Read).unwrap()), [1, 2]);
}

#[test]
fn without_room_the_map_stays() {
    let status = in_child!({
        let mut map = anonymous(256 << 20);
        map[0] = 7;
        limit(Resource::As, 384 << 20);
        let error = map.take_pages().unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::NOMEM, "mremap"));
        assert!(error.to_string().contains("RLIMIT_AS"), "{error}");
        assert_eq!((map[0], Vma::of(&map).perms.as_str()), (7, "rw-p"));
        map[256 << 10] = 1;
        assert_eq!(
            values(&map.take_pages_at(..page()).unwrap().resize(page()).unwrap()[..1]),
            [7]
        );
        assert_eq!(map[0], 0);
    });
    assert!(status.success());
}
