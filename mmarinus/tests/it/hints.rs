//! Advice and locks: what the kernel then says of the pages, and that a range never reaches another map.

use std::fs;

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::{Advice, Errno, Map, Private, Shared, perms};
use rustix::process::Resource;

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, file_map, limit, page, patterned, shared,
    without_privileges,
};
use crate::raw::present;
use crate::testing::{in_child, needs};

/// All advice that there is.
const ALL: [Advice; 15] = [
    Advice::NORMAL,
    Advice::RANDOM,
    Advice::SEQUENTIAL,
    Advice::WILLNEED,
    Advice::COLD,
    Advice::PAGEOUT,
    Advice::HUGEPAGE,
    Advice::NOHUGEPAGE,
    Advice::COLLAPSE,
    Advice::MERGEABLE,
    Advice::UNMERGEABLE,
    Advice::DONTDUMP,
    Advice::DODUMP,
    Advice::POPULATE_READ,
    Advice::POPULATE_WRITE,
];

/// The bytes that the process has locked. Only in a child.
fn locked() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let figure = line
        .and_then(|line| line.split_whitespace().next())
        .expect("a figure");
    figure.parse::<usize>().expect("a number") << 10
}

/// Which pages of a map have a flag.
fn flagged<P, K: Kind, B: Backing<K>>(map: &Map<P, K, B>, flag: &str) -> Vec<bool> {
    let (start, len) = map.pages();
    (start..start + len)
        .step_by(page())
        .map(|addr| Vma::at(addr).expect("a map that lives is mapped").has(flag))
        .collect()
}

#[test]
fn no_advice_changes_a_byte() {
    fn assert_harmless<K: Kind, B: Backing<K>>(map: Map<perms::ReadWrite, K, B>) {
        let bytes = bytes_of(&map);
        let len = map.len();
        for advice in ALL {
            for range in [
                0..len,
                0..1,
                len - 1..len,
                page()..page() + 16,
                7..2 * page(),
            ] {
                // Some are refused for some pages; none does harm.
                let _ = map.advise(range, advice);
                assert_eq!(bytes_of(&map), bytes, "{advice:?}");
            }
        }
        assert_eq!(&Vma::of(&map).perms[..2], "rw");
    }
    let mut map = anonymous(4 * page() - 3);
    for (index, byte) in map.iter_mut().enumerate() {
        *byte = index as u8;
    }
    assert_harmless(map);
    assert_harmless(file_map(4 * page() - 3, Private));
    assert_harmless(file_map(4 * page() - 3, Shared));
    assert_harmless(present(4 * page(), Shared, perms::ReadWrite));
    let map = shared(4 * page());
    map.view(..)
        .unwrap()
        .write_at(0, &patterned(0, 4 * page()))
        .unwrap();
    assert_harmless(map);
}

#[test]
fn the_kernel_marks_the_pages_around_the_range() {
    let status = in_child!({
        let map = anonymous(5 * page());
        for (advice, undo, flag) in [
            (Advice::DONTDUMP, Advice::DODUMP, "dd"),
            (Advice::RANDOM, Advice::NORMAL, "rr"),
            (Advice::SEQUENTIAL, Advice::NORMAL, "sr"),
        ] {
            map.advise(page() + 5..2 * page() + 1, advice).unwrap();
            assert_eq!(
                flagged(&map, flag),
                [false, true, true, false, false],
                "{flag}"
            );
            map.advise(2 * page() - 1..2 * page(), undo).unwrap();
            assert_eq!(
                flagged(&map, flag),
                [false, false, true, false, false],
                "{flag}"
            );
            map.advise(.., advice).unwrap();
            assert_eq!(flagged(&map, flag), [true; 5], "{flag}");
            map.advise(.., undo).unwrap();
            assert_eq!(flagged(&map, flag), [false; 5], "{flag}");
        }
        map.advise(4 * page().., Advice::HUGEPAGE).unwrap();
        assert_eq!(flagged(&map, "hg"), [false, false, false, false, true]);
        map.advise(..page(), Advice::NOHUGEPAGE).unwrap();
        assert_eq!(flagged(&map, "nh"), [true, false, false, false, false]);
    });
    assert!(status.success());
}

#[test]
fn populating_brings_pages_in_and_says_if_not() {
    needs!(populate);
    let status = in_child!({
        let (before, map) = anonymous(9 * page()).split(page()).unwrap();
        let map = map
            .reprotect(perms::Read)
            .unwrap()
            .reprotect(perms::ReadWrite)
            .unwrap();
        map.advise(page()..3 * page(), Advice::POPULATE_WRITE)
            .unwrap();
        map.advise(4 * page()..4 * page() + 1, Advice::POPULATE_WRITE)
            .unwrap();
        assert_eq!(Vma::of(&map).bytes("Anonymous"), 3 * page());
        drop(before);

        let file = disk_file(page());
        let map = Map::bytes(3 * page())
            .from(&file, 0)
            .with(perms::Read)
            .unwrap();
        map.advise(..page(), Advice::POPULATE_READ).unwrap();
        let error = map.advise(.., Advice::POPULATE_READ).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::FAULT, "madvise")
        );
        assert!(
            error.to_string().contains("the file ends before the map"),
            "{error}"
        );
    });
    assert!(status.success());
}

#[test]
fn locks_are_of_the_pages_around_the_range() {
    let status = in_child!({
        let before = locked();
        let map = anonymous(6 * page());
        map.lock(page() + 1..2 * page() + 1).unwrap();
        assert_eq!(
            flagged(&map, "lo"),
            [false, true, true, false, false, false]
        );
        assert_eq!(locked(), before + 2 * page());
        assert_eq!(
            Vma::at(map.addr() + page()).unwrap().bytes("Rss"),
            2 * page()
        );
        map.lock_on_fault(4 * page()..).unwrap();
        assert_eq!(flagged(&map, "lo"), [false, true, true, false, true, true]);
        assert_eq!(Vma::at(map.addr() + 4 * page()).unwrap().bytes("Rss"), 0);
        assert_eq!(locked(), before + 4 * page());
        map.unlock(2 * page()..2 * page() + 1).unwrap();
        assert_eq!(flagged(&map, "lo"), [false, true, false, false, true, true]);
        map.unlock(..).unwrap();
        assert_eq!(flagged(&map, "lo"), [false; 6]);
        assert_eq!(locked(), before);
        map.lock(..).unwrap();
        let map = map.resize(2 * page()).unwrap();
        assert_eq!(locked(), before + 2 * page());
        drop(map);
        assert_eq!(locked(), before, "what is unmapped is not locked");
    });
    assert!(status.success());
}

#[test]
fn neighbours_are_not_advised_or_locked() {
    let status = in_child!({
        let (one, rest) = anonymous(6 * page()).split(2 * page()).unwrap();
        let (two, three) = rest.split(2 * page()).unwrap();
        let two = two.resize(page() + 1).unwrap();
        let len = two.len();
        for range in [0..len, 0..1, len - 1..len, page()..len, len..len, 0..0] {
            two.advise(range.clone(), Advice::DONTDUMP).unwrap();
            two.lock(range.clone()).unwrap();
            for flag in ["dd", "lo"] {
                assert_eq!(flagged(&one, flag), [false; 2], "{range:?}");
                assert_eq!(flagged(&three, flag), [false; 2], "{range:?}");
            }
        }
        assert_eq!(flagged(&two, "dd"), [true; 2]);
        assert_eq!(flagged(&two, "lo"), [true; 2]);
        // Nor is what they were told undone.
        one.advise(.., Advice::DONTDUMP).unwrap();
        three.lock(..).unwrap();
        two.advise(.., Advice::DODUMP).unwrap();
        two.unlock(..).unwrap();
        assert_eq!(flagged(&one, "dd"), [true; 2]);
        assert_eq!(flagged(&three, "lo"), [true; 2]);
    });
    assert!(status.success());
}

#[test]
fn ranges_outside_are_refused_before_any_call() {
    let status = in_child!({
        let (map, next) = anonymous(4 * page()).split(2 * page()).unwrap();
        let len = map.len();
        let far = usize::MAX;
        #[allow(clippy::reversed_empty_ranges, reason = "one of the things to refuse")]
        for range in [
            0..len + 1,
            len..len + 1,
            len..2 * len,
            len + 1..len + 1,
            2..1,
            1 << 40..0,
            0..far,
            far..far,
            far - page() + 1..far,
        ] {
            for error in [
                map.advise(range.clone(), Advice::DONTDUMP).unwrap_err(),
                map.lock(range.clone()).unwrap_err(),
                map.lock_on_fault(range.clone()).unwrap_err(),
                map.unlock(range.clone()).unwrap_err(),
            ] {
                assert_eq!(error.errno(), Errno::INVAL, "{range:?}");
            }
        }
        assert!(map.lock(..=far).is_err());
        for map in [&map, &next] {
            assert_eq!(
                (flagged(map, "dd"), flagged(map, "lo")),
                (vec![false; 2], vec![false; 2])
            );
        }
        let none = anonymous(0);
        none.advise(.., Advice::DONTDUMP).unwrap();
        none.lock(0..0).unwrap();
        none.unlock(..).unwrap();
        assert!(none.lock(0..1).is_err());
    });
    assert!(status.success());
}

#[test]
fn the_limit_of_locked_memory_is_an_error() {
    let status = in_child!({
        limit(Resource::Memlock, 4 * page() as u64);
        without_privileges(|| {
            let mut map = anonymous(8 * page());
            map.fill(7);
            map.lock(..4 * page()).unwrap();
            for error in [
                map.lock(4 * page()..).unwrap_err(),
                map.lock_on_fault(4 * page()..).unwrap_err(),
            ] {
                assert_eq!((error.errno(), error.operation()), (Errno::NOMEM, "mlock"));
                assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}");
            }
            assert_eq!(locked(), 4 * page());
            assert!(map.iter().all(|&byte| byte == 7));
        });
    });
    assert!(status.success());
}

#[test]
fn what_part_of_a_map_was_told_makes_pieces_of_it() {
    let len = 3 * page();
    // A place for it, from which the next map keeps away.
    let place = anonymous(len).addr();
    for (range, is_all) in [
        (0..len, true),
        (1..len - 1, true),
        (0..1, false),
        (0..2 * page(), false),
        (page()..2 * page(), false),
        (page()..len, false),
        (len - 1..len, false),
        (2 * page()..2 * page(), true),
    ] {
        let map = anonymous(len);
        map.advise(range.clone(), Advice::DONTDUMP).unwrap();
        match map.move_to(place) {
            Ok(_) => assert!(is_all, "{range:?}"),
            // Pieces, or the place was taken by another test meanwhile.
            Err(error) if error.errno() == Errno::FAULT => assert!(!is_all, "{range:?}: {error}"),
            Err(error) => assert_eq!(error.errno(), Errno::EXIST, "{error}"),
        }
    }
}
