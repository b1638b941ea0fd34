//! Guards beside maps: where they are, what they stop, and what every other call does to them.

use std::os::unix::process::ExitStatusExt;

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::{Advice, Errno, HugePage, Map, Shared, perms};
use mmarinus_sys::Support;

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, is_free, mappings, memory_file, page, patterned,
};
use crate::raw::{in_fork, peek, replace, touch};
use crate::testing::{in_child, needs, skip};

const HUGE: usize = 2 << 20;

fn guarded(len: usize) -> Map<perms::ReadWrite> {
    let map = Map::bytes(len).anonymously().guarded();
    map.with(perms::ReadWrite).expect("memory")
}

/// The addresses of the first bytes before and behind the pages of a map.
fn outside<P, K: Kind, B: Backing<K>>(map: &Map<P, K, B>) -> [usize; 2] {
    let (start, len) = map.pages();
    [start - 1, start + len]
}

#[test]
fn what_is_left_of_it_as_a_reservation_has_no_guards() {
    let status = in_child!({
        let map = guarded(2 * page());
        let start = map.addr();
        let reservation = map.decommit().unwrap();
        assert_eq!((reservation.addr(), reservation.len()), (start, 2 * page()));
        assert!(is_free(start - page(), page()) && is_free(start + 2 * page(), page()));
        reservation.unmap().unwrap();
        assert!(is_free(start, 2 * page()));
    });
    assert!(status.success());
}

/// Asserts that nobody reads beside a map, and that both addresses are taken.
fn assert_guarded<P, K: Kind, B: Backing<K>>(map: &Map<P, K, B>) {
    for address in outside(map) {
        assert_eq!(peek(address), Err(Errno::FAULT), "{address:#x}");
        assert!(Vma::at(address).is_some(), "{address:#x} is taken");
    }
}

#[test]
fn both_guards_are_there_and_go_with_the_map() {
    let status = in_child!({
        let file = memory_file(9 * page());
        for len in [1, page(), 3 * page() + 1, HUGE, HUGE + 1] {
            let mut map = guarded(len);
            map.fill(7);
            assert_guarded(&map);
            let (start, pages) = map.pages();
            assert_eq!((start, pages), (map.addr(), len.next_multiple_of(page())));
            map.unmap().unwrap();
            assert!(is_free(start - page(), 2 * page()));
            assert!(is_free(start + pages - page(), 2 * page()));
        }
        for offset in [0, 100, page() as u64, 3 * page() as u64 + 5] {
            let map = Map::bytes(2 * page())
                .from(&file, offset)
                .with_kind(Shared)
                .guarded();
            let map = map.with(perms::ReadWrite).unwrap();
            assert_guarded(&map);
            assert_eq!(bytes_of(&map), patterned(offset as usize, 2 * page()));
            let [before, behind] = outside(&map);
            drop(map);
            assert!(is_free(before + 1 - page(), page()) && is_free(behind, page()));
        }
    });
    assert!(status.success());
}

#[test]
fn whoever_touches_a_guard_dies_of_it() {
    const SIGSEGV: i32 = 11;
    let before = in_child!({
        let map = guarded(page());
        touch(map.addr() - 1);
    });
    assert_eq!(before.signal(), Some(SIGSEGV));
    let behind = in_child!({
        let map = guarded(page());
        touch(map.addr() + page());
    });
    assert_eq!(behind.signal(), Some(SIGSEGV));
    let shared = in_child!({
        let map = Map::bytes(page()).anonymously().with_kind(Shared).guarded();
        let map = map.with(perms::ReadWrite).unwrap();
        touch(map.addr() + page());
    });
    assert_eq!(shared.signal(), Some(SIGSEGV));
    let body = in_child!({
        assert_eq!(touch(guarded(page()).addr() + page() - 1), 0);
    });
    assert!(body.success());
}

#[test]
fn every_option_goes_with_it() {
    let file = disk_file(2 * page());
    let with = |map: Map<perms::ReadWrite>| assert_guarded(&map);
    let request = || Map::bytes(2 * page()).anonymously().guarded();
    with(request().populate().with(perms::ReadWrite).unwrap());
    with(
        request()
            .no_reserve()
            .stack()
            .with(perms::ReadWrite)
            .unwrap(),
    );
    with(request().locked().with(perms::ReadWrite).unwrap());
    with(
        request()
            .dont_fork()
            .named("guarded")
            .with(perms::ReadWrite)
            .unwrap(),
    );
    let wiped = request().wipe_on_fork().with(perms::ReadWrite).unwrap();
    let [first, last] = outside(&wiped);
    assert!(in_fork(|| [first, last].map(peek) == [Err(Errno::FAULT); 2]));
    with(wiped);
    let plain = guarded(page());
    let [first, last] = outside(&plain);
    assert!(in_fork(|| [first, last].map(peek) == [Err(Errno::FAULT); 2]));
    for shift in [12, 16, 24] {
        let map = request()
            .aligned_to(1 << shift)
            .with(perms::ReadWrite)
            .unwrap();
        assert_eq!(map.addr() % (1 << shift), 0);
        with(map);
    }
    let low = request().below_2gib().with(perms::ReadWrite).unwrap();
    assert!(low.addr() + low.len() < 1 << 31);
    with(low);
    let shared = request()
        .with_kind(Shared)
        .populate()
        .with(perms::ReadWrite)
        .unwrap();
    assert_guarded(&shared);
    let filed = Map::bytes(page())
        .from(&file, 7)
        .guarded()
        .populate()
        .with(perms::ReadWrite);
    assert_guarded(&filed.unwrap());
    if Support::droppable() {
        let map = Map::bytes(page())
            .droppable()
            .guarded()
            .with(perms::ReadWrite)
            .unwrap();
        assert_guarded(&map);
    }
}

#[test]
fn it_goes_where_it_is_asked_to() {
    let status = in_child!({
        let (before, rest) = anonymous(9 * page()).split(page()).unwrap();
        let (place, behind) = rest.split(6 * page()).unwrap();
        let address = place.addr();
        place.unmap().unwrap();
        let request =
            |at: usize, pages: usize| Map::bytes(pages * page()).at(at).anonymously().guarded();
        // One page too many on either side, where neighbours are.
        for (at, pages) in [(address, 1), (address + page(), 5), (address, 6)] {
            let error = request(at, pages).with(perms::ReadWrite).unwrap_err();
            assert_eq!(error.errno(), Errno::EXIST);
            assert!(is_free(address, 6 * page()));
        }
        let map = request(address + page(), 4).with(perms::ReadWrite).unwrap();
        assert_eq!(map.addr(), address + page());
        assert_guarded(&map);
        drop(map);
        assert!(is_free(address, 6 * page()));
        let near = Map::bytes(page())
            .near(address + page())
            .anonymously()
            .guarded();
        assert_eq!(
            near.with(perms::ReadWrite).unwrap().addr(),
            address + page()
        );
        let request = Map::bytes(page()).anonymously().guarded().onto(address);
        let error = replace(request, perms::Read).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        assert!(
            error.to_string().contains("leave out `.guarded()`"),
            "{error}"
        );
        assert!(before.iter().chain(behind.iter()).all(|&byte| byte == 0));
    });
    assert!(status.success());
}

#[test]
fn it_keeps_its_length_or_goes() {
    let status = in_child!({
        let map = guarded(3 * page());
        let address = map.addr();
        let mut map = Some(map);
        for size in [1, 2 * page(), 3 * page(), 4 * page(), 1 << 30] {
            let error = map.take().unwrap().resize(size).unwrap_err();
            assert_eq!(error.errno(), Errno::INVAL);
            assert!(
                error.to_string().contains("guarded map keeps its length"),
                "{error}"
            );
            let error = error.into_map().unwrap().resize_in_place(size).unwrap_err();
            map = error.into_map();
        }
        assert_guarded(map.as_ref().unwrap());
        let empty = map.unwrap().resize(0).unwrap();
        assert!(is_free(address - page(), 5 * page()));
        assert_eq!(empty.resize(page()).unwrap_err().errno(), Errno::INVAL);
        let file = disk_file(page());
        let map = Map::bytes(page())
            .from(&file, 0)
            .guarded()
            .with(perms::Read)
            .unwrap();
        assert_eq!(
            map.grow_file(&file, 2 * page()).unwrap_err().errno(),
            Errno::INVAL
        );
        assert_eq!(file.metadata().unwrap().len(), page() as u64);
        let none = guarded(0);
        assert!(none.is_empty());
        assert_eq!(none.resize(page()).unwrap_err().errno(), Errno::INVAL);
    });
    assert!(status.success());
}

#[test]
fn halves_keep_their_outer_guards() {
    let status = in_child!({
        let mut map = guarded(4 * page());
        map.fill(7);
        let start = map.addr();
        let (none, map) = map.split(0).unwrap();
        assert!(none.is_empty());
        drop(none);
        let (map, none) = map.split(4 * page()).unwrap();
        drop(none);
        assert_guarded(&map);
        let (first, second) = map.split(page()).unwrap();
        assert_eq!(first.resize(page() + 1).unwrap_err().errno(), Errno::INVAL);
        // The first is gone with its guard; what it left is nobody's.
        assert!(is_free(start - page(), 2 * page()));
        assert!(second.iter().all(|&byte| byte == 7));
        assert_eq!(peek(start + 4 * page()), Err(Errno::FAULT));
        drop(second);
        assert!(is_free(start, 5 * page()));

        let (first, second) = guarded(4 * page()).split(page()).unwrap();
        let start = first.addr();
        let map = first
            .join(second)
            .map_err(|error| error.without_map())
            .unwrap();
        assert_guarded(&map);
        drop(map);
        assert!(is_free(start - page(), 6 * page()));

        let (one, two) = (guarded(page()), guarded(page()));
        let (low, high) = if one.addr() < two.addr() {
            (one, two)
        } else {
            (two, one)
        };
        let error = low.join(high).unwrap_err();
        let (low, high) = error.into_map().unwrap();
        assert_guarded(&low);
        assert_guarded(&high);
    });
    assert!(status.success());
}

#[test]
fn it_moves_with_its_guards() {
    let status = in_child!({
        let file = memory_file(2 * page());
        let free = || anonymous(8 * page()).addr() + 3 * page();
        for round in 0..2 {
            let mut map = guarded(2 * page());
            map.fill(7);
            if round == 1 {
                map.lock(..).unwrap();
                map.unlock(..).unwrap();
            }
            let (from, to) = (map.addr(), free());
            let count = mappings();
            let map = map.move_to(to).unwrap();
            assert_eq!(map.addr(), to);
            assert_guarded(&map);
            assert!(map.iter().all(|&byte| byte == 7));
            assert!(
                is_free(from - page(), 4 * page()),
                "the old guards are gone"
            );
            assert!(mappings() <= count + 2);
            drop(map);
            assert!(is_free(to - page(), 4 * page()));
        }
        // A neighbour in the place of a guard keeps its page.
        let map = Map::bytes(2 * page())
            .from(&file, 0)
            .guarded()
            .with(perms::Read)
            .unwrap();
        let to = free();
        let taken = Map::bytes(page())
            .at(to - page())
            .anonymously()
            .with(perms::ReadWrite)
            .unwrap();
        let error = map.move_to(to).unwrap_err();
        assert_eq!(error.errno(), Errno::EXIST);
        assert_guarded(&error.into_map().unwrap());
        assert!(taken.iter().all(|&byte| byte == 0));
        assert!(is_free(to, 3 * page()));
    });
    assert!(status.success());
}

#[test]
fn guards_stay_around_what_changes_inside() {
    let status = in_child!({
        let file = memory_file(4 * page());
        let mut map = guarded(4 * page());
        let start = map.addr();
        map.fill(7);
        let taken = map.take_pages().unwrap();
        assert!(taken.iter().all(|&byte| byte == 7));
        map.fill(8);
        let part = map.take_pages_at(page()..2 * page()).unwrap();
        drop((taken, part));
        assert_guarded(&map);
        map.discard(..).unwrap();
        map.discard(..page()).unwrap();
        map.advise(.., Advice::HUGEPAGE).unwrap();
        map.advise(page().., Advice::NOHUGEPAGE).unwrap();
        map.lock(..).unwrap();
        map.unlock(..).unwrap();
        assert_guarded(&map);
        let map = map
            .reprotect(perms::None)
            .unwrap()
            .reprotect(perms::Read)
            .unwrap();
        assert_guarded(&map);
        let map = map.remap().from(&file, 0).with(perms::ReadWrite).unwrap();
        assert_eq!(
            (map.addr(), bytes_of(&map)),
            (start, patterned(0, 4 * page()))
        );
        assert_guarded(&map);
        let map = map
            .remap()
            .anonymously()
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        let twin = map.duplicate().unwrap();
        assert_eq!(bytes_of(&twin), vec![0; 4 * page()]);
        drop(twin);
        assert_guarded(&map);
        let (ptr, len, _) = map.into_raw_parts();
        assert_eq!((ptr.addr(), len), (start, 4 * page()));
        assert_eq!([start - 1, start + len].map(peek), [Err(Errno::FAULT); 2]);
        let leaked = guarded(page()).leak();
        let start = leaked.as_ptr().addr();
        assert_eq!(
            [start - 1, start + page()].map(peek),
            [Err(Errno::FAULT); 2]
        );
    });
    assert!(status.success());
}

#[test]
fn a_sealed_map_keeps_its_guards_for_ever() {
    needs!(mseal);
    let status = in_child!({
        let map = guarded(page()).mseal().unwrap();
        assert_guarded(&map);
        let start = map.addr();
        assert_eq!(
            [start - 1, start, start + page()].map(peek),
            [Err(Errno::FAULT), Ok(0), Err(Errno::FAULT)]
        );
    });
    assert!(status.success());
}

#[test]
fn guards_of_plain_memory_are_no_mappings_of_their_own() {
    needs!(guard_regions);
    let status = in_child!({
        let map = guarded(2 * page());
        let vma = Vma::of(&map);
        assert!(vma.start < map.addr() && vma.end > map.addr() + map.len());
        assert_guarded(&map);
    });
    assert!(status.success());
}

#[test]
fn long_maps_lie_as_large_pages_need_them() {
    if page() != 4096 {
        skip!("pages are not 4 KiB");
    }
    for len in [HUGE, 5 * HUGE, HUGE + 1] {
        assert_eq!(guarded(len).addr() % HUGE, 0);
        let shared = Map::bytes(len).anonymously().with_kind(Shared).guarded();
        assert_eq!(shared.with(perms::ReadWrite).unwrap().addr() % HUGE, 0);
    }
    let file = memory_file(1);
    for offset in [0, 3 * page(), HUGE, HUGE - page(), HUGE + 100] {
        let map = Map::bytes(HUGE)
            .from(&file, offset as u64)
            .guarded()
            .with(perms::Read)
            .unwrap();
        assert_eq!(map.addr().wrapping_sub(offset) % HUGE, 0, "{offset}");
        assert_guarded(&map);
    }
}

#[test]
fn guards_cost_no_large_pages() {
    let enabled = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if page() != 4096 || !enabled.is_ok_and(|modes| !modes.contains("[never]")) {
        skip!("there are no transparent huge pages");
    }
    let status = in_child!({
        for populated in [false, true] {
            let mut map = guarded(4 * HUGE);
            map.advise(.., Advice::HUGEPAGE).unwrap();
            if populated && Support::populate() {
                map.advise(.., Advice::POPULATE_WRITE).unwrap();
            }
            map.fill(7);
            assert_eq!(Vma::of(&map).bytes("AnonHugePages"), 4 * HUGE);
            assert_guarded(&map);
        }
    });
    assert!(status.success());
}

#[test]
fn maps_in_huge_pages_have_small_guards() {
    needs!(huge_2mb);
    let request = || {
        Map::bytes(1)
            .anonymously()
            .with_huge_pages(HugePage::SIZE_2MB)
            .guarded()
    };
    let status = in_child!({
        match request().with(perms::ReadWrite) {
            Ok(map) => {
                assert_eq!((map.page_size(), map.pages().1), (HUGE, HUGE));
                assert_guarded(&map);
                let [before, behind] = outside(&map);
                drop(map);
                assert!(is_free(before + 1 - page(), page()) && is_free(behind, page()));
            }
            // Another test has the page by now, or the kernel does not move such pages.
            Err(error) => assert!(
                [Errno::NOMEM, Errno::INVAL].contains(&error.errno()),
                "{error}"
            ),
        }
    });
    assert!(status.success());
}

#[test]
fn a_body_starts_at_the_very_byte() {
    let none = mmarinus::Source::anonymous();
    for offset in [0, 1, 100, page() - 1] {
        let request = || {
            Map::bytes(page())
                .from_source(&none, offset as u64)
                .guarded()
        };
        let mut map = request().with(perms::ReadWrite).unwrap();
        let pages = if offset == 0 { 1 } else { 2 };
        assert_eq!(map.addr() % page(), offset);
        assert_eq!(map.pages(), (map.addr() - offset, pages * page()));
        map.fill(7);
        let address = map.addr();
        let (first, rest) = map.split(page() - offset).unwrap();
        let map = first.join(rest).unwrap_or_else(|error| panic!("{error}"));
        assert!(map.iter().all(|&byte| byte == 7));
        drop(map);
        match request().at(address).with(perms::ReadWrite) {
            Ok(map) => assert_eq!(map.addr(), address),
            Err(error) => assert_eq!(
                error.errno(),
                mmarinus::Errno::EXIST,
                "another test was there"
            ),
        }
    }
    let error = Map::bytes(page()).guarded().reserve().unwrap_err();
    assert_eq!(
        error.errno(),
        mmarinus::Errno::INVAL,
        "a reservation guards itself"
    );
}
