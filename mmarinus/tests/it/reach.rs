//! Parts of the address space: maps below 2 GiB and at 2^47 and above, and what does not fit together with that.

use mmarinus::{Errno, Map, Shared, perms};

use crate::common::{anonymous, bytes_of, disk_file, is_free, page, patterned};
use crate::raw::replace;
use crate::testing::{in_child, needs, skip};

const LOW_END: usize = 1 << 31;

fn low(len: usize) -> Result<Map<perms::ReadWrite>, mmarinus::Error> {
    Map::bytes(len)
        .below_2gib()
        .anonymously()
        .with(perms::ReadWrite)
}

#[test]
fn maps_lie_below_2_gib() {
    for len in [1, page(), 3 * page() + 1, 5 << 20] {
        let mut map = low(len).unwrap();
        assert!(map.addr() + len <= LOW_END);
        map.fill(7);
    }
    let file = disk_file(3 * page());
    let map = Map::bytes(2 * page())
        .below_2gib()
        .from(&file, 100)
        .with_kind(Shared);
    let map = map.with(perms::Read).unwrap();
    assert!(map.addr() + map.len() <= LOW_END);
    assert_eq!(bytes_of(&map), patterned(100, 2 * page()));
}

#[test]
fn they_are_aligned_brought_in_and_near_as_well() {
    for shift in [12, 21, 24, 28] {
        let map = Map::bytes(page())
            .below_2gib()
            .aligned_to(1 << shift)
            .anonymously();
        let map = map.with(perms::Read).unwrap();
        assert_eq!(map.addr() % (1 << shift), 0);
        assert!(map.addr() + map.len() <= LOW_END);
    }
    let map = Map::bytes(2 * page()).below_2gib().populate().anonymously();
    let map = map.with(perms::ReadWrite).unwrap();
    assert!(map.addr() + map.len() <= LOW_END && map[page()] == 0);
    let address = map.addr();
    map.unmap().unwrap();
    // A hint in the part is taken, as far as it is free; one outside of it is not.
    let map = Map::bytes(page()).below_2gib().near(address).anonymously();
    assert!(map.with(perms::Read).unwrap().addr() < LOW_END);
    let map = Map::bytes(page()).below_2gib().near(1 << 40).anonymously();
    assert!(map.with(perms::Read).unwrap().addr() < LOW_END);
}

#[test]
fn all_that_is_free_below_2_gib_is_found() {
    let status = in_child!({
        // The kernel itself looks for places between 1 and 2 GiB only.
        let mut maps = Vec::new();
        let error = loop {
            let map = Map::bytes(64 << 20).below_2gib().no_reserve().anonymously();
            match map.with(perms::None) {
                Ok(map) => maps.push(map),
                Err(error) => break error,
            }
            assert!(maps.len() < 32);
        };
        assert_eq!(error.errno(), Errno::NOMEM);
        assert!(error.to_string().contains("no room below 2 GiB"), "{error}");
        assert!(maps.len() > 15, "{} maps of 64 MiB", maps.len());
        assert!(maps.iter().all(|map| map.addr() + map.len() <= LOW_END));
    });
    assert!(status.success());
}

#[test]
fn what_is_too_long_for_it_is_refused_and_leaves_nothing() {
    for len in [
        LOW_END,
        LOW_END + page(),
        1 << 40,
        isize::MAX as usize - page(),
    ] {
        assert_eq!(low(len).unwrap_err().errno(), Errno::NOMEM, "{len}");
    }
    let error = Map::bytes(1)
        .below_2gib()
        .aligned_to(1 << 31)
        .anonymously()
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::NOMEM);
}

#[test]
fn an_address_in_another_part_is_refused() {
    let status = in_child!({
        let taken = anonymous(page());
        let free = taken.addr();
        taken.unmap().unwrap();
        let error = Map::bytes(page())
            .at(free)
            .below_2gib()
            .anonymously()
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        assert!(
            error.to_string().contains("part of the address space"),
            "{error}"
        );
        assert!(is_free(free, page()));
        let request = Map::bytes(page()).below_2gib().onto(free).anonymously();
        assert_eq!(
            replace(request, perms::Read).unwrap_err().errno(),
            Errno::INVAL
        );
        assert!(is_free(free, page()));
        let mut old = anonymous(page());
        old.fill(7);
        let error = old
            .remap()
            .below_2gib()
            .anonymously()
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        assert!(error.into_map().unwrap().iter().all(|&byte| byte == 7));
        // And one in this part is taken.
        let map = low(page()).unwrap();
        let address = map.addr();
        map.unmap().unwrap();
        let map = Map::bytes(page())
            .at(address)
            .below_2gib()
            .anonymously()
            .with(perms::Read)
            .unwrap();
        let map = map
            .remap()
            .below_2gib()
            .anonymously()
            .with(perms::Read)
            .unwrap();
        assert_eq!(map.addr(), address);
        // One that ends right there, and one that ends behind it.
        for (len, errno) in [(page(), None), (2 * page(), Some(Errno::INVAL))] {
            let map = Map::bytes(len)
                .at(LOW_END - page())
                .below_2gib()
                .anonymously();
            let errno_of = map.with(perms::Read).err().map(|error| error.errno());
            assert!(
                errno_of == errno || errno_of == Some(Errno::EXIST),
                "{errno_of:?}"
            );
        }
    });
    assert!(status.success());
}

#[test]
fn empty_maps_are_nowhere_and_do_not_grow_elsewhere() {
    let map = low(0).unwrap();
    assert!(map.is_empty());
    assert_eq!(map.resize(page()).unwrap_err().errno(), Errno::INVAL);
    let map = Map::bytes(0)
        .above_47_bits()
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    assert!(map.is_empty());
}

#[test]
fn maps_lie_above_47_bits() {
    needs!(address57);
    let high = |len: usize| Map::bytes(len).above_47_bits();
    for len in [1, 5 * page(), 5 << 20] {
        let mut map = high(len).anonymously().with(perms::ReadWrite).unwrap();
        assert!(map.addr() >= 1 << 47);
        map.fill(7);
    }
    let file = disk_file(page());
    let map = high(page())
        .from(&file, 0)
        .populate()
        .with(perms::Read)
        .unwrap();
    assert!(map.addr() >= 1 << 47);
    assert_eq!(bytes_of(&map), patterned(0, page()));
    for shift in [21, 30] {
        let map = high(1)
            .aligned_to(1 << shift)
            .anonymously()
            .with(perms::Read)
            .unwrap();
        assert!(map.addr() >= 1 << 47 && map.addr().is_multiple_of(1 << shift));
    }
    let near = high(1)
        .near(1 << 50)
        .anonymously()
        .with(perms::Read)
        .unwrap();
    assert_eq!(near.addr(), 1 << 50);
    let at = high(1).at(1 << 51).anonymously().with(perms::Read).unwrap();
    assert_eq!(at.addr(), 1 << 51);
    let error = high(1)
        .at(1 << 40)
        .anonymously()
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
}

#[test]
fn without_such_addresses_there_is_an_error_and_no_map() {
    let found = Map::bytes(page())
        .above_47_bits()
        .anonymously()
        .with(perms::ReadWrite);
    if found.is_ok() {
        skip!("addresses have more than 47 bits");
    }
    let status = in_child!({
        let before = crate::common::mappings();
        for request in [
            Map::bytes(page()).above_47_bits().anonymously(),
            Map::bytes(page()).above_47_bits().populate().anonymously(),
            Map::bytes(page())
                .above_47_bits()
                .aligned_to(1 << 30)
                .anonymously(),
            Map::bytes(page())
                .near(1 << 50)
                .above_47_bits()
                .anonymously(),
            Map::bytes(page()).at(1 << 50).above_47_bits().anonymously(),
        ] {
            let error = request.with(perms::ReadWrite).unwrap_err();
            assert!(
                [Errno::NOMEM, Errno::EXIST].contains(&error.errno()),
                "{error}"
            );
        }
        let error = Map::bytes(1)
            .above_47_bits()
            .anonymously()
            .with(perms::Read)
            .unwrap_err();
        assert!(error.to_string().contains("la57"), "{error}");
        assert_eq!(crate::common::mappings(), before);
    });
    assert!(status.success());
}

#[test]
fn the_last_word_about_the_part_counts() {
    let map = Map::bytes(1)
        .above_47_bits()
        .below_2gib()
        .anonymously()
        .with(perms::Read)
        .unwrap();
    assert!(map.addr() < LOW_END);
}
