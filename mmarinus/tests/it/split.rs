//! Cutting a map in two, at each place and at none.

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::{Errno, Map, Private, Shared, perms};

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, file_map, is_free, page, patterned, shared,
};
use crate::testing::in_child;

/// Offsets that no cut can have in a map of `len` bytes.
fn nowhere(len: usize) -> [usize; 14] {
    let far = usize::MAX;
    [
        1,
        page() - 1,
        page() + 1,
        len - 1,
        len + 1,
        len + page(),
        len.next_multiple_of(page()) + page(),
        isize::MAX as usize,
        isize::MIN as usize,
        far,
        far - 4094,
        far - 4095,
        far - page() + 1,
        far - 2 * page() + 1,
    ]
}

#[test]
fn both_parts_are_maps() {
    let mut map = anonymous(4 * page());
    for (index, byte) in map.iter_mut().enumerate() {
        *byte = (index / page()) as u8;
    }
    let addr = map.addr();
    let (mut one, mut two) = map.split(page()).unwrap();
    assert_eq!((one.addr(), one.len()), (addr, page()));
    assert_eq!((two.addr(), two.len()), (addr + page(), 3 * page()));
    assert!(one.iter().all(|&byte| byte == 0) && two[..page()].iter().all(|&byte| byte == 1));
    one.fill(9);
    two.fill(8);
    assert!(one.iter().all(|&byte| byte == 9) && two.iter().all(|&byte| byte == 8));
    let (two, three) = two.split_addr(addr + 2 * page()).unwrap();
    assert_eq!(
        (two.len(), three.len(), three.addr()),
        (page(), 2 * page(), addr + 2 * page())
    );
    let three = three.reprotect(perms::Read).unwrap();
    assert_eq!(Vma::of(&two).perms, "rw-p");
    assert_eq!(Vma::of(&three).perms, "r--p");
}

#[test]
fn a_part_may_be_empty() {
    let map = anonymous(2 * page());
    let addr = map.addr();
    let (none, map) = map.split(0).unwrap();
    assert!(none.is_empty() && none.as_slice().is_empty());
    assert_eq!((map.addr(), map.len()), (addr, 2 * page()));
    let (map, none) = map.split(2 * page()).unwrap();
    assert_eq!((none.len(), none.pages().1), (0, 0));
    drop(none);
    let (map, none) = map.split_addr(addr + 2 * page()).unwrap();
    none.unmap().unwrap();
    assert_eq!(map.len(), 2 * page());
    assert!(
        map.iter().all(|&byte| byte == 0),
        "dropping nothing unmaps nothing"
    );
    let (none, also) = anonymous(0).split(0).unwrap();
    assert_eq!((none.len(), also.len()), (0, 0));
    let none = none
        .reprotect(perms::Read)
        .unwrap()
        .remap()
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    assert!(none.is_empty());
}

#[test]
fn a_cut_elsewhere_gives_the_map_back() {
    fn assert_refuses<K: Kind, B: Backing<K>>(mut map: Map<perms::ReadWrite, K, B>) {
        let (addr, len, bytes) = (map.addr(), map.len(), bytes_of(&map));
        for offset in nowhere(len) {
            if (addr.wrapping_add(offset)) % page() == 0 && offset <= len {
                continue;
            }
            let error = map.split(offset).unwrap_err();
            assert_eq!(
                (error.errno(), error.operation()),
                (Errno::INVAL, "split"),
                "{offset:#x}"
            );
            assert!(error.to_string().contains("page_size()"), "{error}");
            map = error.into_map().unwrap();
            assert_eq!((map.addr(), map.len()), (addr, len));
            let error = map.split_addr(addr.wrapping_add(offset)).unwrap_err();
            assert_eq!(error.errno(), Errno::INVAL, "{offset:#x}");
            map = error.into_map().unwrap();
        }
        for address in [
            0,
            1,
            page(),
            addr - 1,
            usize::MAX,
            usize::MAX - 4095,
            addr - page(),
        ] {
            map = map.split_addr(address).unwrap_err().into_map().unwrap();
        }
        assert_eq!((map.addr(), map.len(), bytes_of(&map)), (addr, len, bytes));
    }
    assert_refuses(anonymous(3 * page()));
    assert_refuses(anonymous(2 * page() + 5));
    assert_refuses(anonymous(3));
    assert_refuses(shared(2 * page()));
    assert_refuses(file_map(3 * page() - 7, Private));
    assert_refuses(file_map(2 * page(), Shared));
}

#[test]
fn the_end_of_a_page_that_is_not_full_is_no_cut() {
    let map = anonymous(page() + 5);
    let map = map.split(page() + 5).unwrap_err().into_map().unwrap();
    let map = map.split(2 * page()).unwrap_err().into_map().unwrap();
    let (one, two) = map.split(page()).unwrap();
    assert_eq!((one.len(), two.len(), two.pages().1), (page(), 5, page()));
}

#[test]
fn offsets_count_from_the_first_asked_byte() {
    let file = disk_file(4 * page());
    let map = Map::bytes(2 * page())
        .from(&file, 100)
        .with(perms::Read)
        .unwrap();
    let map = map.split(0).unwrap_err().into_map().unwrap();
    let map = map.split(page()).unwrap_err().into_map().unwrap();
    let (one, two) = map.split(page() - 100).unwrap();
    assert_eq!(bytes_of(&one), patterned(100, page() - 100));
    assert_eq!(bytes_of(&two), patterned(page(), page() + 100));
    let (start, len) = one.pages();
    assert_eq!((start + len, len), (two.addr(), page()));
}

#[test]
fn each_part_unmaps_itself_alone() {
    let status = in_child!({
        let map = anonymous(5 * page());
        let addr = map.addr();
        let (one, rest) = map.split(page()).unwrap();
        let (two, three) = rest.split(2 * page()).unwrap();
        drop(two);
        assert!(is_free(addr + page(), 2 * page()));
        assert!(one.iter().chain(three.iter()).all(|&byte| byte == 0));
        three.unmap().unwrap();
        assert!(is_free(addr + page(), 4 * page()));
        assert_eq!(Vma::of(&one).end, addr + page());
        drop(one);
        assert!(is_free(addr, 5 * page()));
    });
    assert!(status.success());
}

#[test]
fn parts_of_every_kind_keep_what_they_are() {
    let file = disk_file(3 * page());
    let map = Map::bytes(3 * page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let (mut one, mut two) = map.split(2 * page()).unwrap();
    one.write_at(2 * page() - 1, b"1").unwrap();
    two.write_at(0, b"2").unwrap();
    assert_eq!(
        one.write_at(2 * page() - 1, b"12").unwrap_err().errno(),
        Errno::INVAL
    );
    let mut bytes = [0; 2];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 2 * page() as u64 - 1).unwrap();
    assert_eq!(&bytes, b"12");
    let (one, two) = shared(2 * page())
        .forget_permissions()
        .split(page())
        .unwrap();
    assert_eq!(one.permissions(), two.permissions());
}
