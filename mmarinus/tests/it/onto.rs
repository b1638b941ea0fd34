//! Maps in the place of what the caller owns: `onto` and `replace`.

use mmarinus::{Errno, Map, Shared, perms};

use crate::common::{Vma, anonymous, bytes_of, disk_file, page, patterned};
use crate::raw::replace;

/// Pages that are nobody's any more.
fn leaked(pages: usize) -> &'static mut [u8] {
    let bytes = anonymous(pages * page()).leak();
    bytes.fill(7);
    bytes
}

#[test]
fn what_was_there_is_replaced() {
    let addr = leaked(3).as_ptr().addr();
    let map = replace(
        Map::bytes(page()).onto(addr + page()).anonymously(),
        perms::Read,
    )
    .unwrap();
    assert_eq!((map.addr(), map.len()), (addr + page(), page()));
    assert!(map.iter().all(|&byte| byte == 0));
    let vma = Vma::of(&map);
    assert_eq!(
        (vma.start, vma.end, &*vma.perms),
        (addr + page(), addr + 2 * page(), "r--p")
    );
}

#[test]
fn a_file_replaces_whole_pages() {
    let addr = leaked(3).as_ptr().addr();
    let file = disk_file(4 * page());
    let request = Map::bytes(page())
        .onto(addr + 100)
        .from(&file, page() as u64 + 100)
        .with_kind(Shared);
    let map = replace(request, perms::Read).unwrap();
    assert_eq!(map.addr(), addr + 100);
    assert_eq!(map.pages(), (addr, 2 * page()));
    assert_eq!(bytes_of(&map), patterned(page() + 100, page()));
}

#[test]
fn addresses_that_do_not_agree_are_refused() {
    let addr = leaked(1).as_ptr().addr();
    let file = disk_file(page());
    for error in [
        replace(Map::bytes(1).onto(addr + 1).anonymously(), perms::Read).unwrap_err(),
        replace(Map::bytes(1).onto(addr).from(&file, 1), perms::Read).unwrap_err(),
        replace(Map::bytes(1).onto(0).anonymously(), perms::Read).unwrap_err(),
        replace(Map::bytes(1).onto(5).from(&file, 5), perms::Read).unwrap_err(),
    ] {
        assert_eq!(error.errno(), Errno::INVAL, "{error}");
    }
    let error = replace(Map::bytes(usize::MAX).onto(addr).anonymously(), perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::NOMEM, "{error}");
    assert_eq!(
        Vma::at(addr).unwrap().perms,
        "rw-p",
        "what is refused changes nothing"
    );
}

#[test]
fn nothing_replaces_nothing() {
    let bytes = leaked(1);
    let map = replace(
        Map::bytes(0).onto(bytes.as_ptr().addr()).anonymously(),
        perms::Read,
    )
    .unwrap();
    assert!(map.is_empty());
    assert!(bytes.iter().all(|&byte| byte == 7));
}

#[test]
fn populated_and_locked_pages_replace_too() {
    let addr = leaked(2).as_ptr().addr();
    let file = disk_file(2 * page());
    let map = replace(
        Map::bytes(2 * page()).onto(addr).from(&file, 0).populate(),
        perms::Read,
    )
    .unwrap();
    assert!(Vma::of(&map).bytes("Rss") >= 2 * page());
    let error = replace(
        Map::bytes(1)
            .onto(map.leak().addr())
            .from(&disk_file(0), 0)
            .populate(),
        perms::Read,
    )
    .unwrap_err();
    assert_eq!(error.errno(), Errno::FAULT);
}
