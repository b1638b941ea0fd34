//! Ranges that wrap, end before they start, lie outside or cut pages: refused by every call, or kept within the map.
#![forbid(unsafe_code)]

use core::ops::Bound::{self, Excluded, Included, Unbounded};

use mmarinus::numa::{Existing, Policy};
use mmarinus::scan::PageCategories;
use mmarinus::{Advice, Error, Map, Shared, perms};

use crate::common::{Vma, anonymous, disk_file, page, pattern, patterned};
use crate::testing::sound;

type Range = (Bound<usize>, Bound<usize>);

/// Ranges that no map of `len` bytes has.
fn outside(len: usize) -> Vec<Range> {
    let far = usize::MAX;
    let mut ranges = vec![
        (Included(0), Included(far)),
        (Excluded(far), Unbounded),
        (Excluded(far), Included(far)),
        (Unbounded, Included(far)),
    ];
    for (start, end) in [
        (0, len + 1),
        (len, len + 1),
        (len, 2 * len),
        (len + 1, len + 1),
        (1 << 30, 0),
        (2, 1),
        (far, far),
        (far, 0),
        (page(), far),
        (far - page() + 1, far),
        (far - len + 1, len),
        (1 << (usize::BITS - 1), (1 << (usize::BITS - 1)) + page()),
    ] {
        ranges.push((Included(start), Excluded(end)));
    }
    ranges
}

/// Maps of two pages with a map before and one behind, whose bytes and properties are checked in the end.
struct Between {
    before: Map<perms::ReadWrite>,
    behind: Map<perms::ReadWrite>,
}

impl Between {
    fn new() -> (Self, Map<perms::ReadWrite>) {
        let (before, rest) = anonymous(6 * page()).split(2 * page()).unwrap();
        let (middle, behind) = rest.split(2 * page()).unwrap();
        let mut between = Self { before, behind };
        between.before.fill(1);
        between.behind.fill(3);
        (between, middle)
    }

    fn check(&self) {
        assert!(self.before.iter().all(|&byte| byte == 1));
        assert!(self.behind.iter().all(|&byte| byte == 3));
        for map in [&self.before, &self.behind] {
            let vma = Vma::of(map);
            assert_eq!(vma.perms, "rw-p");
            assert!(!vma.has("dd") && !vma.has("lo") && !vma.has("rr"));
        }
    }
}

fn assert_refused(call: &str, range: Range, result: Result<(), Error>) {
    assert!(result.is_err(), "{call} takes {range:?}");
}

#[test]
fn no_call_takes_a_range_outside_of_its_map() {
    sound!({
        let (between, mut map) = Between::new();
        map.fill(7);
        let (len, policy) = (map.len(), Policy::DEFAULT);
        for range in outside(len) {
            assert_refused("view", range, map.view(range).map(drop));
            assert_refused("advise", range, map.advise(range, Advice::DONTDUMP));
            assert_refused("advise", range, map.advise(range, Advice::RANDOM));
            assert_refused("lock", range, map.lock(range));
            assert_refused("lock_on_fault", range, map.lock_on_fault(range));
            assert_refused("unlock", range, map.unlock(range));
            assert_refused("residency", range, map.residency(range).map(drop));
            assert_refused("page_nodes", range, map.page_nodes(range).map(drop));
            assert_refused(
                "set_policy",
                range,
                map.set_policy(range, &policy, Existing::Stay),
            );
            assert_refused("set_home_node", range, map.set_home_node(range, 0));
            assert_refused("migrate", range, map.migrate(range, 0).map(drop));
            assert_refused(
                "scan",
                range,
                map.scan(range, PageCategories::PRESENT).map(drop),
            );
            assert_refused("discard", range, map.discard(range));
            assert_refused("take_pages_at", range, map.take_pages_at(range).map(drop));
            let view = map.view(..).unwrap();
            assert_refused("sub", range, view.sub(range).map(drop));
        }
        assert!(map.iter().all(|&byte| byte == 7));
        between.check();
        let file = disk_file(len);
        let mut map = map
            .remap()
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        for range in outside(len) {
            assert_refused("sync", range, map.sync(range));
            assert_refused("sync_async", range, map.sync_async(range));
            assert_refused("invalidate", range, map.invalidate(range));
            assert_refused("punch_hole", range, map.punch_hole(range));
            assert_refused("preallocate", range, map.preallocate(range));
        }
        let mut map = map.remap().from(&file, 0).with(perms::Read).unwrap();
        for range in outside(len) {
            assert_refused("revert", range, map.revert(range));
        }
        let mut bytes = vec![0; len];
        map.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, patterned(0, len));
        between.check();
        let map = map.remap().anonymously().with(perms::ReadExecute).unwrap();
        for range in outside(len) {
            assert_refused("publish", range, map.publish(range));
        }
        between.check();
    });
}

#[test]
fn part_of_a_page_loses_no_byte() {
    sound!({
        let (between, mut map) = Between::new();
        map.fill(7);
        for range in [0..16, 1..page(), 1..2 * page(), page() - 1..page() + 1] {
            map.discard(range.clone()).unwrap_err();
            map.take_pages_at(range).unwrap_err();
        }
        assert!(map.iter().all(|&byte| byte == 7));
        let file = disk_file(2 * page());
        let mut map = map.remap().from(&file, 0).with(perms::ReadWrite).unwrap();
        map.write_at(0, &vec![9; 2 * page()]).unwrap();
        for range in [0..16, 1..page(), 1..2 * page(), page() - 1..page() + 1] {
            map.revert(range).unwrap_err();
        }
        let mut bytes = vec![0; 2 * page()];
        map.read_at(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 9));
        between.check();
        // A hole in a file is exact to the byte, or refused.
        let mut map = Map::bytes(2 * page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        let punched = map.punch_hole(16..32).is_ok();
        map.read_at(0, &mut bytes).unwrap();
        for (offset, &byte) in bytes.iter().enumerate() {
            let in_hole = punched && (16..32).contains(&offset);
            assert_eq!(byte, if in_hole { 0 } else { pattern(offset) }, "{offset}");
        }
    });
}

#[test]
fn what_rounds_outward_stops_at_the_neighbours() {
    sound!({
        let (between, map) = Between::new();
        let map = map.resize(page() + 1).unwrap();
        let len = map.len();
        for range in [0..len, 0..1, len - 1..len, page()..len, len..len, 0..0] {
            map.advise(range.clone(), Advice::DONTDUMP).unwrap();
            map.advise(range.clone(), Advice::RANDOM).unwrap();
            map.lock(range).unwrap();
            between.check();
        }
        map.unlock(..).unwrap();
        // Nor is what the neighbours were told undone.
        between.before.advise(.., Advice::DONTDUMP).unwrap();
        map.advise(.., Advice::DODUMP).unwrap();
        assert!(Vma::of(&between.before).has("dd"));
        assert!(!Vma::of(&map).has("dd"));
    });
}
