//! A map as pointer, length and page size, and back.
#![expect(
    unsafe_code,
    reason = "makes maps of parts, which the tests took from maps"
)]

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Map, Private, ProtFlags, Shared};

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, exposed, file_map, is_free, page, patterned, shared,
};
use crate::raw::stable;
use crate::testing::in_child;

/// Takes a map apart and puts it together again.
fn rebuilt<P: perms::Permissions, K: Kind, B: Backing<K>>(
    map: Map<P, K, B>,
    perms: P,
) -> Map<P, K, B> {
    let (addr, len, size, pages) = (map.addr(), map.len(), map.page_size(), map.pages());
    let (ptr, length, page_size) = map.into_raw_parts();
    assert_eq!((ptr.addr(), length, page_size), (addr, len, size));
    // SAFETY: the parts are those of the map, which is gone, with its permissions, kind and backing.
    let map = unsafe { Map::from_raw_parts(ptr, length, page_size, perms) };
    assert_eq!(
        (map.addr(), map.len(), map.page_size(), map.pages()),
        (addr, len, size, pages)
    );
    map
}

#[test]
fn maps_of_every_kind_come_back() {
    fn assert_comes_back<K: Kind, B: Backing<K>>(map: Map<perms::ReadWrite, K, B>) {
        let bytes = bytes_of(&map);
        let map = rebuilt(map, perms::ReadWrite);
        assert_eq!(bytes_of(&map), bytes);
    }
    let mut map = anonymous(page() + 1);
    map.fill(7);
    assert_comes_back(map);
    assert_comes_back(anonymous(0));
    assert_comes_back(shared(3));
    assert_comes_back(exposed(page()));
    assert_comes_back(file_map(2 * page() - 1, Private));
    assert_comes_back(file_map(2 * page(), Shared));
    assert_comes_back(stable(page(), Shared, perms::ReadWrite));
    let file = disk_file(2 * page());
    let map = Map::bytes(page())
        .from(&file, 100)
        .with(perms::Read)
        .unwrap();
    assert_eq!(bytes_of(&rebuilt(map, perms::Read)), patterned(100, page()));
}

#[test]
fn it_stays_mapped_in_between_and_not_after() {
    let status = in_child!({
        let mut map = anonymous(2 * page() + 1);
        map.fill(7);
        let (ptr, len, page_size) = map.into_raw_parts();
        assert!(!is_free(ptr.addr(), 3 * page()));
        // SAFETY: the parts are those of the map above.
        let mut map: Map<perms::ReadWrite> =
            unsafe { Map::from_raw_parts(ptr, len, page_size, perms::ReadWrite) };
        assert!(map.iter().all(|&byte| byte == 7));
        map.fill(8);
        drop(map);
        assert!(is_free(ptr.addr(), 3 * page()));
    });
    assert!(status.success());
}

#[test]
fn it_is_not_known_to_be_one_mapping() {
    let status = in_child!({
        let mut map = rebuilt(anonymous(4 * page()), perms::ReadWrite);
        map.fill(7);
        assert_eq!(map.take_pages().unwrap_err().errno(), Errno::FAULT);
        let free = Map::bytes(4 * page())
            .anonymously()
            .with(perms::None)
            .unwrap()
            .addr();
        let map = map.move_to(free).unwrap_err().into_map().unwrap();
        assert_eq!(
            rebuilt(shared(page()), perms::ReadWrite)
                .duplicate()
                .unwrap_err()
                .errno(),
            Errno::FAULT
        );
        // What the kernel checks itself works.
        let map = map.resize(6 * page()).unwrap();
        assert_eq!((map[4 * page() - 1], map[4 * page()]), (7, 0));
        let map = map.reprotect(Unknown(ProtFlags::READ)).unwrap();
        assert_eq!(Vma::of(&map).perms, "r--p");
    });
    assert!(status.success());
}
