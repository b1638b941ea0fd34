//! What is in memory of a map: counted for its own pages, whatever lies beside them in the same mapping.

use core::ops::Range;

use mmarinus::backing::{Backing, Written};
use mmarinus::kind::Kind;
use mmarinus::perms::Permissions;
use mmarinus::{Advice, Errno, HugePage, Map, Private, Shared, Stats, perms};
use mmarinus_sys::Support;
use rustix::process::Resource;

use crate::common::{Vma, anonymous, disk_file, file_map, limit, memory_file, page, shared};
use crate::huge::{HUGE, Pool};
use crate::raw::{self, Call};
use crate::testing::{in_child, needs, skip};

/// A huge page that the kernel makes by itself.
fn thp() -> usize {
    Support::thp_size().unwrap_or(page())
}

/// The figures of a map.
fn stats<P: Permissions, K: Kind, B: Backing<K>>(map: &Map<P, K, B>) -> Stats {
    let stats = map.stats().expect("figures");
    assert_eq!(stats.len(), map.pages().1);
    assert_eq!(stats.page_size(), map.page_size());
    for part in [stats.huge(), stats.zero(), stats.dirty()] {
        assert!(part.is_none_or(|part| part <= stats.resident()), "{stats}");
    }
    stats
}

/// Writes to one byte of each page of a range of pages.
fn write<K: Kind, B: Written<K>>(map: &mut Map<perms::ReadWrite, K, B>, pages: Range<usize>) {
    for index in pages {
        map.write_at(index * page(), &[1]).expect("room");
    }
}

/// Runs a test once as it is, and in a child once more where the kernel refuses to scan, as old ones do.
macro_rules! both_ways {
    ($test:expr) => {{
        let test: fn() = $test;
        if raw::can_forbid().is_ok() {
            // First, since the child comes by here as well, and remembers what the kernel has.
            let status = in_child!({
                raw::forbid(&[Call::Ioctl], Errno::NOTTY).unwrap();
                assert!(!Support::pagemap_scan());
                test();
            });
            assert!(status.success());
        }
        test();
        if let Err(why) = raw::can_forbid() {
            skip!("{why}");
        }
    }};
}

#[test]
fn an_empty_map_asks_nobody() {
    let status = in_child!({
        let empty = anonymous(0);
        let map = anonymous(1);
        limit(Resource::Nofile, 0);
        let stats = stats(&empty);
        assert_eq!((stats.len(), stats.resident()), (0, 0));
        for figure in [
            stats.huge(),
            stats.zero(),
            stats.dirty(),
            stats.swapped(),
            stats.guard(),
        ] {
            assert_eq!(figure, Some(0));
        }
        assert_eq!(stats.name(), b"");
        let error = map.stats().unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::MFILE, "stats"));
        assert!(error.to_string().contains("pagemap"), "{error}");
    });
    assert!(status.success());
}

#[test]
fn neighbours_in_the_same_mapping_do_not_count() {
    both_ways!(|| {
        let mut map = anonymous(12 * page());
        map.advise(.., Advice::NOHUGEPAGE).unwrap();
        write(&mut map, 0..6);
        write(&mut map, 10..12);
        let (one, rest) = map.split(4 * page()).unwrap();
        let (two, three) = rest.split(4 * page()).unwrap();
        assert!(Vma::of(&one).end >= two.addr() + two.len(), "one mapping");
        for (map, pages) in [(&one, 4), (&two, 2), (&three, 2)] {
            let stats = stats(map);
            assert_eq!(stats.resident(), pages * page());
            assert_eq!(stats.dirty(), Some(pages * page()));
            assert_eq!(stats.swapped(), Some(0));
            assert_eq!(stats.guard(), Some(0));
            assert_eq!(stats.zero(), Some(0));
            // Without a scan it is known of whole mappings only, and these have none.
            assert_eq!(stats.huge(), Some(0));
        }
    });
}

#[test]
fn whole_pages_are_counted() {
    let mut map = anonymous(page() + 1);
    write(&mut map, 0..2);
    assert_eq!(
        (stats(&map).len(), stats(&map).resident()),
        (2 * page(), 2 * page())
    );
    let file = disk_file(3 * page());
    let map = Map::bytes(2)
        .from(&file, page() as u64 - 1)
        .with(perms::Read)
        .unwrap();
    let mut bytes = [0; 2];
    map.read_at(0, &mut bytes).unwrap();
    assert_eq!(
        (stats(&map).len(), stats(&map).resident()),
        (2 * page(), 2 * page())
    );
    assert_eq!(stats(&map).dirty(), Some(0));
}

#[test]
fn pages_that_were_only_read_are_zeros() {
    let map = anonymous(8 * page());
    map.advise(.., Advice::NOHUGEPAGE).unwrap();
    assert_eq!(stats(&map).resident(), 0);
    assert!(map.iter().all(|&byte| byte == 0));
    let stats = stats(&map);
    assert_eq!(stats.resident(), 8 * page());
    if Support::pagemap_scan() {
        assert_eq!((stats.zero(), stats.dirty()), (Some(8 * page()), Some(0)));
    } else {
        assert_eq!((stats.zero(), stats.dirty()), (None, None));
    }
}

#[test]
fn permissions_and_locks_change_no_figure() {
    both_ways!(|| {
        let mut map = anonymous(6 * page());
        map.advise(.., Advice::NOHUGEPAGE).unwrap();
        write(&mut map, 1..4);
        let map = map.reprotect(perms::None).unwrap();
        assert_eq!(stats(&map).resident(), 3 * page());
        assert_eq!(stats(&map).dirty(), Some(3 * page()));
        let map = map.reprotect(perms::ReadWrite).unwrap();
        map.lock(page()..3 * page()).unwrap();
        assert_eq!(stats(&map).resident(), 3 * page());
        map.lock(..).unwrap();
        assert_eq!(stats(&map).dirty(), Some(6 * page()));
    });
}

#[test]
fn copies_of_a_private_file_are_dirty() {
    both_ways!(|| {
        for file in [disk_file(20 * page()), memory_file(20 * page())] {
            let mut map = Map::bytes(20 * page())
                .from(&file, 0)
                .with(perms::ReadWrite)
                .unwrap();
            assert_eq!(stats(&map).dirty(), Some(0));
            let mut byte = [0];
            map.read_at(10 * page(), &mut byte).unwrap();
            assert!(stats(&map).resident() >= page());
            assert_eq!(stats(&map).dirty(), Some(0));
            write(&mut map, 2..5);
            let (one, two) = map.split(3 * page()).unwrap();
            assert_eq!(stats(&one).dirty(), Some(page()));
            assert_eq!(stats(&two).dirty(), Some(2 * page()));
        }
    });
}

#[test]
fn copies_that_a_child_has_as_well() {
    let status = in_child!({
        let mut map = anonymous(4 * page());
        write(&mut map, 0..2);
        let mut file = file_map(4 * page(), Private);
        write(&mut file, 0..2);
        let both = (stats(&map).dirty(), stats(&file).dirty());
        assert_eq!(both, (Some(2 * page()), Some(2 * page())));
        let known = Support::pagemap_scan();
        let mut pipe = std::io::pipe().unwrap();
        assert!(raw::in_fork(|| {
            // The parent waits for the child, so the child counts its own: they share all copies.
            let (map, file) = (map.stats(), file.stats());
            let (Ok(map), Ok(file)) = (map, file) else {
                return false;
            };
            map.resident() >= 2 * page()
                && (!known || map.dirty() == Some(2 * page()))
                && file.dirty().is_none()
        }));
        std::io::Write::write_all(&mut pipe.1, b"x").unwrap();
        assert_eq!(stats(&file).dirty(), Some(2 * page()));
    });
    assert!(status.success());
}

#[test]
fn shared_pages_are_dirty_until_they_are_written_back() {
    needs!(disk);
    both_ways!(|| {
        let file = disk_file(8 * page());
        file.sync_all().unwrap();
        let mut map = Map::bytes(8 * page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        assert_eq!((stats(&map).resident(), stats(&map).dirty()), (0, Some(0)));
        write(&mut map, 3..5);
        // More if the page cache has the file in larger pieces.
        assert!(stats(&map).dirty().unwrap() >= 2 * page());
        let (one, two) = map.split(4 * page()).unwrap();
        // The kernel counts them together, so for the halves it is not known.
        assert_eq!((stats(&one).dirty(), stats(&two).dirty()), (None, None));
        assert!(stats(&one).resident() >= page());
        two.sync(..).unwrap();
        one.sync(..).unwrap();
        assert_eq!(
            (stats(&one).dirty(), stats(&two).dirty()),
            (Some(0), Some(0))
        );
    });
}

#[test]
fn shared_memory_is_counted() {
    both_ways!(|| {
        let map = shared(6 * page());
        map.view(..)
            .unwrap()
            .write_at(page(), &vec![1; 2 * page()])
            .unwrap();
        let stats = stats(&map);
        assert_eq!(stats.resident(), 2 * page());
        assert_eq!(stats.dirty(), Some(2 * page()));
        assert_eq!(stats.zero().unwrap_or(0), 0);
        assert_eq!(stats.name(), b"/dev/zero (deleted)");
    });
}

#[test]
fn guards_are_counted() {
    needs!(guard_regions);
    let mut map = anonymous(8 * page());
    map.advise(.., Advice::NOHUGEPAGE).unwrap();
    write(&mut map, 0..8);
    raw::install_guards(&mut map, 2 * page()..5 * page()).unwrap();
    let all = stats(&map);
    assert_eq!(all.resident(), 5 * page());
    assert_eq!(all.dirty(), Some(5 * page()));
    let (one, two) = map.split(4 * page()).unwrap();
    let guards = [all.guard(), stats(&one).guard(), stats(&two).guard()];
    if Support::file_guard_regions() {
        assert_eq!(guards, [Some(3 * page()), Some(2 * page()), Some(page())]);
        assert_eq!(all.swapped(), Some(0));
    } else {
        assert_eq!(guards, [None; 3]);
    }
}

#[test]
fn huge_pages_are_counted_as_far_as_the_map_goes() {
    needs!(collapse);
    let huge = thp();
    let mut map = Map::bytes(2 * huge)
        .aligned_to(huge)
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    map.advise(.., Advice::NOHUGEPAGE).unwrap();
    map.fill(1);
    assert_eq!(stats(&map).huge(), Some(0));
    map.advise(.., Advice::HUGEPAGE).unwrap();
    if let Err(error) = map.advise(..huge, Advice::COLLAPSE) {
        skip!("no huge page could be made: {error}");
    }
    let all = stats(&map);
    assert_eq!((all.resident(), all.dirty()), (2 * huge, Some(2 * huge)));
    assert_eq!(
        all.huge(),
        Support::pagemap_scan().then_some(huge).or(all.huge())
    );
    let (one, two) = map.split(page()).unwrap();
    if Support::pagemap_scan() {
        assert_eq!(
            (stats(&one).huge(), stats(&two).huge()),
            (Some(page()), Some(huge - page()))
        );
    } else {
        assert_eq!((stats(&one).huge(), stats(&two).huge()), (None, None));
    }
    assert_eq!(stats(&one).dirty(), Some(page()));
}

#[test]
fn a_huge_page_of_zeros_is_no_memory() {
    let zero = "/sys/kernel/mm/transparent_hugepage/use_zero_page";
    if !std::fs::read_to_string(zero).is_ok_and(|text| text.starts_with('1')) {
        skip!("the kernel has no huge page of zeros");
    }
    both_ways!(|| {
        let huge = thp();
        let map = Map::bytes(huge)
            .aligned_to(huge)
            .anonymously()
            .with(perms::ReadWrite)
            .unwrap();
        map.advise(.., Advice::HUGEPAGE).unwrap();
        assert_eq!(map[0], 0);
        let stats = stats(&map);
        // Where huge pages are off by a setting, or none is free, it is an ordinary page.
        let zero = if stats.resident() == huge {
            huge
        } else {
            page()
        };
        assert_eq!(stats.resident(), zero);
        if zero == huge || Support::pagemap_scan() {
            assert_eq!(
                (stats.zero(), stats.dirty()),
                (Some(zero), Some(0)),
                "{stats}"
            );
        }
    });
}

#[test]
fn pages_of_a_pool_are_huge() {
    needs!(huge_2mb);
    let pool = Pool::take();
    let map = Map::bytes(1)
        .anywhere()
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::ReadWrite)
        .unwrap();
    let own = stats(&map);
    assert_eq!(
        (own.len(), own.page_size(), own.resident()),
        (HUGE, HUGE, HUGE)
    );
    assert_eq!((own.huge(), own.zero()), (Some(HUGE), Some(0)));
    assert_eq!((own.dirty(), own.swapped()), (Some(HUGE), Some(0)));
    assert_eq!(map.residency(..).unwrap().count(), 1);
    drop(map);
    let map = Map::bytes(1)
        .anywhere()
        .anonymously()
        .with_kind(Shared)
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::ReadWrite)
        .unwrap();
    let shared = stats(&map);
    assert_eq!((shared.resident(), shared.huge()), (HUGE, Some(HUGE)));
    // The kernel does not count it as dirty or clean.
    assert_eq!(shared.dirty(), None);
    drop(map);
    pool.assert_whole();
}

#[test]
fn a_discarded_page_is_gone() {
    let mut map = anonymous(4 * page());
    map.advise(.., Advice::NOHUGEPAGE).unwrap();
    write(&mut map, 0..4);
    map.discard(page()..3 * page()).unwrap();
    assert_eq!(stats(&map).resident(), 2 * page());
    let mut map = file_map(4 * page(), Private);
    write(&mut map, 0..4);
    map.revert(page()..3 * page()).unwrap();
    assert_eq!(stats(&map).dirty(), Some(2 * page()));
}

#[test]
fn a_truncated_file_leaves_nothing() {
    let file = disk_file(4 * page());
    let mut map = Map::bytes(4 * page())
        .from(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    write(&mut map, 0..4);
    file.set_len(page() as u64).unwrap();
    assert_eq!(
        (stats(&map).resident(), stats(&map).dirty()),
        (page(), Some(page()))
    );
}

#[test]
fn figures_are_printed_in_one_line() {
    let mut map = anonymous(3 * page());
    map.advise(.., Advice::NOHUGEPAGE).unwrap();
    write(&mut map, 0..1);
    let stats = stats(&map);
    let text = stats.to_string();
    let kib = page() >> 10;
    let expected = format!(
        "{kib} KiB of {} KiB resident, 0 B huge, 0 B zero, {kib} KiB dirty, 0 B swapped, 0 B guard, in pages of {kib} KiB",
        3 * kib
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(!text.contains('\n'));
    assert!(format!("{stats:?}").contains("resident"));
    let map = file_map(3 * page(), Shared);
    assert!(map.stats().unwrap().to_string().contains("(deleted)"));
}

#[cfg(feature = "std")]
#[test]
fn a_mapping_of_the_list_tells_what_its_map_tells() {
    let status = in_child!({
        let mut file = file_map(8 * page(), Private);
        write(&mut file, 2..5);
        let mut memory = shared(8 * page());
        write(&mut memory, 0..1);
        let guarded = Map::bytes(8 * page())
            .anonymously()
            .guarded()
            .with(perms::ReadWrite);
        let mut guarded = guarded.expect("memory");
        write(&mut guarded, 1..3);
        let list = || {
            mmarinus::maps()
                .expect("a list")
                .map(|vma| vma.expect("a map"))
        };
        for (address, len, of_map) in [
            (file.addr(), 8 * page(), stats(&file)),
            (memory.addr(), 8 * page(), stats(&memory)),
        ] {
            let vma = list()
                .find(|vma| vma.contains(address))
                .expect("it is listed");
            assert_eq!((vma.start(), vma.len()), (address, len));
            assert_eq!(vma.stats().expect("figures"), of_map);
        }
        // Its guards may be part of the same mapping, and so may neighbours.
        let vma = list()
            .find(|vma| vma.contains(guarded.addr()))
            .expect("it is listed");
        let of_vma = vma.stats().expect("figures");
        assert!(
            of_vma.resident() >= 2 * page() && of_vma.len() == vma.len(),
            "{of_vma}"
        );
        assert!(
            of_vma.dirty().is_none_or(|dirty| dirty >= 2 * page()),
            "{of_vma}"
        );
    });
    assert!(status.success());
}

#[cfg(feature = "std")]
#[test]
fn every_mapping_of_the_list_can_be_counted() {
    let status = in_child!({
        for vma in mmarinus::maps().expect("a list") {
            let vma = vma.expect("a map");
            match vma.stats() {
                Ok(stats) => assert!(stats.resident() <= stats.len(), "{vma}: {stats}"),
                // A page that the kernel shows to all processes; it is listed before Linux 6.11.
                Err(error) => assert_eq!(vma.name(), b"[vsyscall]", "{vma}: {error}"),
            }
        }
    });
    assert!(status.success());
}

#[cfg(feature = "std")]
#[test]
fn a_mapping_that_is_gone_has_nothing_or_is_an_error() {
    let status = in_child!({
        let map = shared(8 * page());
        let mut list = mmarinus::maps()
            .expect("a list")
            .map(|vma| vma.expect("a map"));
        let vma = list
            .find(|vma| vma.contains(map.addr()))
            .expect("it is listed");
        map.unmap().expect("it can be unmapped");
        match vma.stats() {
            Ok(stats) => assert!(stats.resident() <= vma.len(), "{stats}"),
            Err(error) => assert_eq!(error.operation(), "stats"),
        }
    });
    assert!(status.success());
}
