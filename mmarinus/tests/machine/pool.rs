//! The pool of huge pages is empty, or has some: what cannot be had is refused, and what was promised is there.
#![forbid(unsafe_code)]

use mmarinus::{Errno, Error, HugePage, Map, perms};

use crate::common::anonymous;
use crate::testing::machine::Machine;
use crate::testing::{needs, sound};

/// The size of the pages of these tests in bytes.
const HUGE: usize = 2 << 20;

/// A machine with so many huge pages of 2 MiB.
fn with_pages(count: usize) -> Machine {
    let mut machine = Machine::alone();
    machine.set("vm/nr_hugepages", count);
    machine
}

/// Asks for a map in so many huge pages.
fn huge<P: perms::Permissions>(pages: usize, perms: P) -> Result<Map<P>, Error> {
    Map::bytes(pages * HUGE)
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms)
}

/// Asserts that the kernel has no more pages, and that the error says how many there are.
fn assert_refused<P: perms::Permissions>(result: Result<Map<P>, Error>, figures: &str) {
    let error = result.expect_err("there are no pages");
    assert_eq!(error.errno(), Errno::NOMEM);
    let text = error.to_string();
    assert!(
        text.contains(figures) && text.contains("nr_hugepages"),
        "{text}"
    );
}

#[test]
fn an_empty_pool_is_an_error_that_says_so() {
    needs!(guest);
    let _machine = with_pages(0);
    sound!(huge, {
        assert_refused(huge(1, perms::ReadWrite), "0 of 0");
        assert_refused(huge(1, perms::None), "0 of 0");
        let mut map = anonymous(HUGE);
        map.fill(7);
        let map = map
            .remap()
            .anonymously()
            .with_huge_pages(HugePage::SIZE_2MB);
        let map = map.with(perms::Read).unwrap_err().into_map();
        assert!(
            map.expect("nothing was done to it")
                .iter()
                .all(|&byte| byte == 7)
        );
    });
}

#[test]
fn the_last_pages_are_given_once() {
    needs!(guest);
    let _machine = with_pages(3);
    sound!(huge, {
        let mut map = huge(2, perms::ReadWrite).unwrap();
        map.fill(7);
        assert_refused(huge(2, perms::Read), "1 of 3");
        let last = huge(1, perms::None).unwrap();
        assert_refused(huge(1, perms::Read), " of 3");
        let mut last = last.reprotect(perms::ReadWrite).unwrap();
        last.fill(8);
        assert!(map.iter().all(|&byte| byte == 7));
        let (one, two) = map.split(HUGE).unwrap();
        drop(one);
        let mut again = huge(1, perms::ReadWrite).unwrap();
        assert!(again.iter().all(|&byte| byte == 0));
        again.fill(9);
        assert!(two.iter().all(|&byte| byte == 7));
        assert!(last.iter().all(|&byte| byte == 8));
    });
}

#[test]
fn what_was_promised_outlives_the_pool() {
    needs!(guest);
    let mut machine = with_pages(2);
    sound!({
        let promised = huge(2, perms::None).unwrap();
        // The kernel takes no page away that is promised.
        machine.set("vm/nr_hugepages", 0);
        let mut map = promised.reprotect(perms::ReadWrite).unwrap();
        map.fill(7);
        assert!(map.iter().all(|&byte| byte == 7));
        drop(map);
        assert_refused(huge(1, perms::Read), "0 of 0");
    });
}
