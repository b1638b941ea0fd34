//! Maps that the kernel holds as several mappings: every transition, and a model that random programs are held against.
#![forbid(unsafe_code)]

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::perms::{self, Unknown};
use mmarinus::{Advice, Errno, Error, Map, Private, ProtFlags, Shared};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::{
    Vma, anonymous, bytes_of, exposed, file_map, is_free, page, patterned, shared,
};
use crate::raw::{present, stable};
use crate::testing::{sound, times};

const READ: Unknown = Unknown(ProtFlags::READ);
const BOTH: Unknown = Unknown(ProtFlags::READ.union(ProtFlags::WRITE));
const NONE: Unknown = Unknown(ProtFlags::empty());

/// Makes the kernel hold a map of six pages or more as several mappings.
fn cut<K: Kind, B: Backing<K>>(map: &Map<perms::ReadWrite, K, B>) {
    map.advise(page()..2 * page(), Advice::DONTDUMP)
        .expect("advice");
    map.lock(3 * page()..4 * page() + 1).expect("a lock");
    assert!(Vma::of(map).end < map.addr() + map.len());
}

/// Puts two parts together again.
fn rejoined<P: perms::Permissions, K: Kind, B: Backing<K>>(map: Map<P, K, B>) -> Map<P, K, B> {
    let (one, two) = map.split(2 * page()).expect("a page");
    one.join(two).unwrap_or_else(|error| panic!("{error}"))
}

/// Asserts that each transition leaves a map in pieces, which it changes or gives back, as its type says.
fn assert_bears<K: Kind, B: Backing<K>>(map: Map<perms::ReadWrite, K, B>) {
    let bytes = bytes_of(&map);
    cut(&map);
    assert_eq!(bytes_of(&map), bytes);
    let map = map.reprotect(READ).unwrap();
    let (start, len) = map.pages();
    for addr in (start..start + len).step_by(page()) {
        assert_eq!(&Vma::at(addr).unwrap().perms[..3], "r--");
    }
    let error = map.move_to(start + (1 << 35)).unwrap_err();
    assert_eq!(error.errno(), Errno::FAULT);
    let map = rejoined(error.into_map().unwrap());
    let map = map.reprotect(perms::ReadWrite).unwrap();
    assert_eq!((bytes_of(&map), map.addr()), (bytes, start));
    let (one, two) = map.split(2 * page()).unwrap();
    drop(one);
    assert!(is_free(start, 2 * page()));
    two.unmap().unwrap();
    assert!(is_free(start, len));
}

#[test]
fn maps_of_every_kind_bear_to_be_in_pieces() {
    sound!({
        let mut map = anonymous(6 * page() + 1);
        map.fill(7);
        assert_bears(map);
        assert_bears(shared(6 * page()));
        assert_bears(exposed(6 * page()));
        assert_bears(file_map(6 * page() - 1, Private));
        assert_bears(file_map(6 * page() - 1, Shared));
        assert_bears(stable(6 * page(), Private, perms::ReadWrite));
        assert_bears(present(6 * page(), Shared, perms::ReadWrite));
    });
}

#[test]
fn pieces_are_not_moved_alone() {
    sound!({
        let mut map = anonymous(6 * page());
        map.fill(7);
        cut(&map);
        assert_eq!(map.take_pages().unwrap_err().errno(), Errno::FAULT);
        assert_eq!(
            map.take_pages_at(..page()).unwrap_err().errno(),
            Errno::FAULT
        );
        let error = map.resize(7 * page()).unwrap_err();
        assert_eq!(error.errno(), Errno::FAULT);
        assert!(error.to_string().contains("several mappings"), "{error}");
        let map = error.into_map().unwrap();
        assert!(map.iter().all(|&byte| byte == 7));
        // Shrinking takes from the end, wherever the seams are.
        let mut map = map;
        for len in [
            5 * page() + 1,
            4 * page(),
            3 * page() + 5,
            2 * page() - 1,
            page(),
            1,
        ] {
            map = map.resize(len).unwrap();
            assert!(map.iter().all(|&byte| byte == 7));
            let (start, pages) = map.pages();
            assert!(is_free(start + pages, 6 * page() - pages));
        }
        // What is left is one mapping for the kernel, which says so when it is asked.
        let map = map.resize(9 * page()).unwrap();
        assert_eq!((map[0], map[page()], map[9 * page() - 1]), (7, 0, 0));

        let map = shared(6 * page());
        map.view(..)
            .unwrap()
            .write_at(0, &patterned(0, 6 * page()))
            .unwrap();
        cut(&map);
        let error = map.duplicate().unwrap_err();
        assert_eq!(error.errno(), Errno::FAULT);
        assert_eq!(bytes_of(&map), patterned(0, 6 * page()));
    });
}

#[test]
fn whatever_marks_a_part_makes_pieces() {
    sound!({
        let assert_pieces = |mark: &dyn Fn(&Map<perms::ReadWrite>)| {
            let mut map = anonymous(4 * page());
            map.lock(..).unwrap();
            map.unlock(..).unwrap();
            // What is done to all of it does not.
            let map = map.take_pages().unwrap();
            mark(&map);
            let at = map.addr() + (1 << 30);
            assert_eq!(map.move_to(at).unwrap_err().errno(), Errno::FAULT);
        };
        assert_pieces(&|map| map.advise(page().., Advice::DONTDUMP).unwrap());
        assert_pieces(&|map| map.advise(..page(), Advice::NOHUGEPAGE).unwrap());
        assert_pieces(&|map| map.advise(page()..2 * page(), Advice::RANDOM).unwrap());
        assert_pieces(&|map| map.lock(page()..2 * page()).unwrap());
        assert_pieces(&|map| map.lock_on_fault(..page()).unwrap());
        assert_pieces(&|map| {
            map.lock(..).unwrap();
            map.unlock(page()..).unwrap();
        });
    });
}

#[test]
fn a_change_that_stops_half_way_is_taken_back_and_the_map_works() {
    sound!({
        // One object may be written through its descriptor, the other not: mprotect changes the first half alone.
        let place = Map::bytes(4 * page())
            .anonymously()
            .with(perms::None)
            .unwrap()
            .addr();
        let path = std::env::temp_dir().join(format!("mmarinus-pieces-{}", std::process::id()));
        std::fs::write(&path, patterned(0, 4 * page())).unwrap();
        let reader = std::fs::File::open(&path).unwrap();
        let writer = std::fs::File::options()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        let map = |file: &std::fs::File, index: usize| {
            Map::bytes(2 * page())
                .at(place + index * page())
                .from(file, (index * page()) as u64)
                .with_kind(Shared)
                .with(perms::Read)
                .unwrap()
        };
        let one = map(&writer, 0);
        let map = one
            .join(map(&reader, 2))
            .map_err(Error::without_map)
            .unwrap();
        let error = map.reprotect(perms::ReadWrite).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::ACCESS, "mprotect")
        );
        let map = error.into_map().expect("it was taken back");
        for index in 0..4 {
            assert_eq!(Vma::at(place + index * page()).unwrap().perms, "r--s");
        }
        assert_eq!(bytes_of(&map), patterned(0, 4 * page()));
        // It is not moved in parts, and still cut, shrunk and dropped.
        let map = map
            .move_to(place + (1 << 35))
            .unwrap_err()
            .into_map()
            .unwrap();
        assert_eq!(map.duplicate().unwrap_err().errno(), Errno::FAULT);
        let map = map
            .reprotect(perms::None)
            .unwrap()
            .reprotect(perms::Read)
            .unwrap();
        let (one, two) = map.split(2 * page()).unwrap();
        let mut one = one.reprotect(perms::ReadWrite).unwrap();
        one.write_at(0, b"x").unwrap();
        let two = two.resize(page()).unwrap();
        assert_eq!(bytes_of(&two), patterned(2 * page(), page()));
        assert!(is_free(place + 3 * page(), page()));
    });
}

/// One step of a random program on a set of maps.
#[derive(Clone, Debug)]
enum Step {
    Split(usize, usize),
    Join(usize, usize),
    Reprotect(usize, usize),
    Resize(usize, usize, bool),
    Take(usize, usize, usize),
    Write(usize, usize, u8),
    Lock(usize, usize, usize),
    Advise(usize, usize, usize),
    Move(usize, usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..1000_usize;
    prop_oneof![
        2 => (n.clone(), n.clone()).prop_map(|(map, at)| Step::Split(map, at)),
        2 => (n.clone(), n.clone()).prop_map(|(map, other)| Step::Join(map, other)),
        2 => (n.clone(), n.clone()).prop_map(|(map, perms)| Step::Reprotect(map, perms)),
        3 => (n.clone(), n.clone(), any::<bool>())
            .prop_map(|(map, len, here)| Step::Resize(map, len, here)),
        2 => (n.clone(), n.clone(), n.clone()).prop_map(|(map, at, len)| Step::Take(map, at, len)),
        4 => (n.clone(), n.clone(), any::<u8>())
            .prop_map(|(map, at, value)| Step::Write(map, at, value)),
        1 => (n.clone(), n.clone(), n.clone()).prop_map(|(map, at, len)| Step::Lock(map, at, len)),
        1 => (n.clone(), n.clone(), n.clone())
            .prop_map(|(map, at, len)| Step::Advise(map, at, len)),
        1 => (n.clone(), n.clone()).prop_map(|(map, to)| Step::Move(map, to)),
        1 => n.prop_map(Step::Drop),
    ]
}

/// A map and what its whole pages hold.
struct Modelled {
    map: Map<Unknown>,
    bytes: Vec<u8>,
}

impl Modelled {
    fn new(pages: usize, value: u8) -> Self {
        let mut map = anonymous(pages * page());
        map.fill(value);
        let bytes = map.to_vec();
        let map = map.forget_permissions();
        Self { map, bytes }
    }

    /// Asserts that the map has the length and the bytes of the model, and the kernel the permissions that are remembered.
    fn check(&mut self) {
        let len = self.map.len();
        assert_eq!(len.next_multiple_of(page()), self.bytes.len());
        let flags = self.map.permissions();
        let mut bytes = vec![0; len];
        match self.map.read_at(0, &mut bytes) {
            Ok(()) => assert!(bytes == self.bytes[..len], "other bytes"),
            Err(fault) => {
                assert!(!flags.contains(ProtFlags::READ));
                assert_eq!(fault.errno(), Errno::ACCESS);
            }
        }
    }

    /// Asserts that every page has, for the kernel, the permissions that are remembered.
    fn check_pages(&self, smaps: &[(usize, usize, String)]) {
        let (start, len) = self.map.pages();
        let flags = self.map.permissions();
        let mut at = start;
        while at < start + len {
            let (_, end, perms) = smaps
                .iter()
                .find(|(start, end, _)| (*start..*end).contains(&at))
                .expect("a map that lives is mapped");
            assert_eq!(perms.starts_with('r'), flags.contains(ProtFlags::READ));
            assert_eq!(
                perms[1..].starts_with('w'),
                flags.contains(ProtFlags::WRITE)
            );
            at = *end;
        }
    }
}

/// The mappings of the process: where they start and end, and their permissions.
fn kernel_account() -> Vec<(usize, usize, String)> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let mapping = |line: &str| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        Some((start, end, words.next()?.to_owned()))
    };
    maps.lines().filter_map(mapping).collect()
}

/// Makes one step with the maps and the models.
fn make(step: &Step, maps: &mut Vec<Modelled>) {
    let pick = |index: &usize| index % maps.len();
    match step {
        Step::Split(index, at) => {
            let Modelled { map, bytes } = maps.swap_remove(pick(index));
            let at = at % (bytes.len() / page() + 1) * page();
            match map.split(at) {
                Ok((one, two)) => {
                    let (left, right) = bytes.split_at(at);
                    maps.push(Modelled {
                        map: one,
                        bytes: left.to_vec(),
                    });
                    maps.push(Modelled {
                        map: two,
                        bytes: right.to_vec(),
                    });
                }
                Err(error) => {
                    let map = error.into_map().expect("the map");
                    assert!(at > map.len());
                    maps.push(Modelled { map, bytes });
                }
            }
        }
        Step::Join(index, other) => {
            let Modelled {
                map: one,
                mut bytes,
            } = maps.swap_remove(pick(index));
            if maps.is_empty() {
                return;
            }
            // The neighbour, if there is one; else any.
            let end = one.addr() + one.len();
            let neighbour = maps.iter().position(|other| other.map.addr() == end);
            let two = maps.swap_remove(neighbour.unwrap_or(other % maps.len()));
            let fits = neighbour.is_some() && one.permissions() == two.map.permissions();
            match one.join(two.map) {
                Ok(map) => {
                    assert!(fits);
                    bytes.extend(two.bytes);
                    maps.push(Modelled { map, bytes });
                }
                Err(error) => {
                    let (one, map) = error.into_map().expect("both");
                    assert!(!fits);
                    maps.push(Modelled { map: one, bytes });
                    maps.push(Modelled {
                        map,
                        bytes: two.bytes,
                    });
                }
            }
        }
        Step::Reprotect(index, perms) => {
            let Modelled { map, bytes } = maps.swap_remove(pick(index));
            let map = map.reprotect([READ, BOTH, BOTH, NONE][perms % 4]);
            maps.push(Modelled {
                map: map.expect("a change"),
                bytes,
            });
        }
        Step::Resize(index, len, here) => {
            let Modelled { map, mut bytes } = maps.swap_remove(pick(index));
            // Up to twelve pages, now and then a byte short or over, and often none.
            let len = (len % 13 * page() + len % 3).saturating_sub(1);
            let before = map.len();
            let resized = if *here {
                map.resize_in_place(len)
            } else {
                map.resize(len)
            };
            let map = resized.unwrap_or_else(|error| {
                // An empty map that was locked makes no new pages.
                assert!(
                    [Errno::FAULT, Errno::NOMEM].contains(&error.errno())
                        || before == 0 && error.errno() == Errno::INVAL,
                    "{error}"
                );
                let map = error.into_map().expect("the map");
                assert!(len > before && map.len() == before);
                map
            });
            bytes.resize(map.len().next_multiple_of(page()), 0);
            maps.push(Modelled { map, bytes });
        }
        Step::Take(index, at, len) => {
            let from = pick(index);
            let Modelled { map, bytes } = &mut maps[from];
            let pages = bytes.len() / page();
            let at = at % (pages + 1);
            let len = len % (pages - at + 1);
            let (start, end) = (at * page(), (at + len) * page());
            if start > map.len() {
                return;
            }
            match map.take_pages_at(start..end.min(map.len())) {
                Ok(map) => {
                    let taken = bytes[start..end].to_vec();
                    bytes[start..end].fill(0);
                    maps.push(Modelled { map, bytes: taken });
                }
                Err(error) => assert_eq!(error.errno(), Errno::FAULT),
            }
        }
        Step::Write(index, at, value) => {
            let from = pick(index);
            let Modelled { map, bytes } = &mut maps[from];
            let at = at * 37 % (map.len() + 1);
            let len = (map.len() - at).min(page() + 10);
            match map.write_at(at, &vec![*value; len]) {
                Ok(()) => bytes[at..at + len].fill(*value),
                Err(_) => assert!(!map.permissions().contains(ProtFlags::WRITE)),
            }
        }
        Step::Lock(index, at, len) => {
            let map = &maps[pick(index)].map;
            let at = at * 37 % (map.len() + 1);
            let len = len * 37 % (map.len() - at + 1);
            if len.is_multiple_of(2) {
                // Pages without permissions cannot be brought in.
                let _ = map.lock(at..at + len);
            } else {
                map.unlock(at..at + len).expect("no lock");
            }
        }
        Step::Advise(index, at, len) => {
            let map = &maps[pick(index)].map;
            let at = at * 37 % (map.len() + 1);
            let len = len * 37 % (map.len() - at + 1);
            let advice = [
                Advice::DONTDUMP,
                Advice::DODUMP,
                Advice::RANDOM,
                Advice::NORMAL,
            ][len % 4];
            map.advise(at..at + len, advice).expect("advice");
        }
        Step::Move(index, to) => {
            let from = pick(index);
            let target = maps[to % maps.len()].map.addr();
            let Modelled { map, bytes } = maps.swap_remove(from);
            let before = map.addr();
            // What is empty lies in a low page, below which there is none.
            let target = target
                .saturating_add(to % 5 * page())
                .saturating_sub(2 * page())
                .max(page());
            let map = match map.move_to(target) {
                Ok(map) => {
                    assert!(map.addr() == target || map.is_empty());
                    map
                }
                Err(error) => {
                    assert!(
                        [Errno::EXIST, Errno::FAULT].contains(&error.errno()),
                        "{error}"
                    );
                    let map = error.into_map().expect("the map");
                    assert_eq!(map.addr(), before);
                    map
                }
            };
            maps.push(Modelled { map, bytes });
        }
        Step::Drop(index) => {
            let dropped = maps.swap_remove(pick(index));
            dropped.map.unmap().expect("unmapped");
        }
    }
}

#[test]
fn random_programs_do_what_a_model_does() {
    // Where the kernel has no random numbers yet, the generator opens a device once and keeps it.
    drop(TestRunner::new(Config::default()));
    sound!({
        // Emulated machines ask for fewer.
        let cases = std::env::var("PROPTEST_CASES").ok();
        let mut config =
            Config::with_cases(cases.and_then(|cases| cases.parse().ok()).unwrap_or(48));
        config.failure_persistence = None;
        config.max_shrink_iters = times(1000) as u32;
        let mut runner = TestRunner::new(config);
        let steps = prop::collection::vec(step(), 1..100);
        let ran = runner.run(&steps, |steps| {
            // A guard on both sides of what the program begins with: no step touches them.
            let (before, rest) = anonymous(12 * page()).split(2 * page()).unwrap();
            let (room, after) = rest.split(8 * page()).unwrap();
            let mut guards = [before, after];
            for guard in &mut guards {
                guard.fill(0xaa);
            }
            let mut first = room;
            first.fill(1);
            let bytes = first.to_vec();
            let mut maps = vec![Modelled {
                map: first.forget_permissions(),
                bytes,
            }];
            for step in &steps {
                if maps.is_empty() {
                    maps.push(Modelled::new(8, 2));
                }
                make(step, &mut maps);
                for guard in &guards {
                    assert!(guard.iter().all(|&byte| byte == 0xaa));
                }
                maps.iter_mut().for_each(Modelled::check);
            }
            let account = kernel_account();
            maps.iter()
                .for_each(|modelled| modelled.check_pages(&account));
            for guard in &mut guards {
                guard.fill(0xbb);
            }
            let places: Vec<_> = maps.iter().map(|modelled| modelled.map.pages()).collect();
            drop(maps);
            let account = kernel_account();
            for (start, len) in places.into_iter().filter(|(_, len)| *len != 0) {
                // Another mapping may have come there only from the test itself, whose memory is small.
                let kept = account
                    .iter()
                    .any(|(from, to, _)| *from <= start && start + len <= *to);
                assert!(!kept, "dropped maps are unmapped");
            }
            Ok(())
        });
        ran.unwrap();
    });
}
