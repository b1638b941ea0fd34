//! Growable buffers: against a model, at their limits, and with what the kernel holds of them.

use std::io::{ErrorKind, Write};
use std::thread;

use mmarinus::{Errno, Map, ProtFlags, Reservation, perms};
use mmarinus_ext::grow::{Buffer, Error, Options};
use mmarinus_ext::secret::Secret;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert_eq, prop_oneof};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::{mappings, page, patterned};
use crate::testing::features::guest;
use crate::testing::{in_child, skip, sound, times};

/// The errno of an error that the kernel made.
fn errno(error: &Error) -> Option<Errno> {
    match error {
        Error::Map(error) => Some(error.errno()),
        _ => None,
    }
}

/// How many bytes of the buffer are in memory.
fn resident(buffer: &Buffer<u8>) -> usize {
    let (address, smaps) = (
        format!("{:x}-", buffer.addr()),
        std::fs::read_to_string("/proc/self/smaps"),
    );
    let smaps = smaps.expect("smaps");
    let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&address));
    let line = lines.find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.expect("a mapping").trim().parse::<usize>().unwrap() << 10
}

/// What is done to a buffer and to its model.
#[derive(Clone, Debug)]
enum Step {
    Push(u32),
    Pop,
    Extend(Vec<u32>),
    Resize(usize, u32),
    Truncate(usize),
    Clear,
    Reserve(usize),
    Shrink(usize),
    Fit,
}

/// The most elements of a buffer that has a model: 16 pages of 4 KiB, and a bit.
const LIMIT: usize = 16 * 1024 + 3;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = 0..LIMIT + LIMIT / 4;
    let step = prop_oneof![
        any::<u32>().prop_map(Step::Push),
        Just(Step::Pop),
        vec(any::<u32>(), 0..3000).prop_map(Step::Extend),
        (len.clone(), any::<u32>()).prop_map(|(len, value)| Step::Resize(len, value)),
        len.clone().prop_map(Step::Truncate),
        Just(Step::Clear),
        prop_oneof![len.clone(), Just(usize::MAX)].prop_map(Step::Reserve),
        prop_oneof![len, Just(usize::MAX)].prop_map(Step::Shrink),
        Just(Step::Fit),
    ];
    vec(step, 1..40)
}

/// Does a step to a model as long as it fits, and says whether it does.
fn model(vec: &mut Vec<u32>, step: &Step) -> bool {
    let more = match step {
        Step::Push(_) => 1,
        Step::Extend(values) => values.len(),
        Step::Resize(len, _) => len.saturating_sub(vec.len()),
        Step::Reserve(more) => *more,
        _ => 0,
    };
    if vec.len().saturating_add(more) > LIMIT {
        return false;
    }
    match step {
        Step::Push(value) => vec.push(*value),
        Step::Pop => drop(vec.pop()),
        Step::Extend(values) => vec.extend_from_slice(values),
        Step::Resize(len, value) => vec.resize(*len, *value),
        Step::Truncate(len) => vec.truncate(*len),
        Step::Clear => vec.clear(),
        Step::Reserve(_) | Step::Shrink(_) | Step::Fit => {}
    }
    true
}

#[test]
fn it_does_as_a_vec_does() {
    let huge = std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists();
    let kinds = [
        Options::new(),
        Options::new().step(0),
        Options::new().step(3 * page() - 1).prefault(),
        if huge {
            Options::new().huge_pages()
        } else {
            Options::new().prefault()
        },
    ];
    for options in kinds {
        let mut runner = TestRunner::new(Config {
            cases: times(60) as u32,
            failure_persistence: None,
            ..Config::default()
        });
        let done = runner.run(&steps(), |steps| {
            let mut buffer = options.create::<u32>(LIMIT).unwrap();
            let (address, mut vec) = (buffer.addr(), Vec::new());
            for step in steps {
                let before = buffer.capacity();
                let fits = model(&mut vec, &step);
                let done = match step.clone() {
                    Step::Push(value) => buffer.push(value),
                    Step::Pop => {
                        buffer.pop();
                        Ok(())
                    }
                    Step::Extend(values) => buffer.extend_from_slice(&values),
                    Step::Resize(len, value) => buffer.resize(len, value),
                    Step::Truncate(len) => {
                        buffer.truncate(len);
                        Ok(())
                    }
                    Step::Clear => {
                        buffer.clear();
                        Ok(())
                    }
                    Step::Reserve(more) => buffer.reserve(more),
                    Step::Shrink(capacity) => buffer.shrink_to(capacity),
                    Step::Fit => buffer.shrink_to_fit(),
                };
                match done {
                    Ok(()) => assert!(fits),
                    Err(Error::Full { limit }) => assert!(!fits && limit == LIMIT),
                    Err(error) => panic!("{error}"),
                }
                prop_assert_eq!(&buffer[..], &vec[..]);
                prop_assert_eq!(buffer.len(), vec.len());
                assert!(buffer.len() <= buffer.capacity() && buffer.capacity() <= LIMIT);
                match step {
                    Step::Reserve(more) if fits => assert!(buffer.capacity() >= vec.len() + more),
                    Step::Shrink(least) => assert!(buffer.capacity() >= before.min(least)),
                    _ => {}
                }
                prop_assert_eq!(buffer.addr(), address);
                if let Some(first) = buffer.first() {
                    prop_assert_eq!(core::ptr::from_ref(first).addr(), address);
                }
            }
            Ok(())
        });
        done.unwrap_or_else(|error| panic!("{options:?}: {error}"));
    }
}

#[test]
fn odd_numbers_are_refused_and_change_nothing() {
    for limit in [usize::MAX, usize::MAX / 8, usize::MAX / 16 + 1] {
        let error = Buffer::<u64>::new(limit).unwrap_err();
        assert_eq!(errno(&error), Some(Errno::NOMEM), "{error}");
        let error = Options::new()
            .huge_pages()
            .create::<u64>(limit)
            .unwrap_err();
        assert_eq!(errno(&error), Some(Errno::NOMEM), "{error}");
    }
    let mut none = Buffer::<u64>::new(0).unwrap();
    assert!(none.is_empty() && none.pop().is_none() && none.as_mut_slice().is_empty());
    let error = none.push(1).unwrap_err();
    assert!(error.to_string().contains("0 elements"), "{error}");
    none.extend_from_slice(&[]).unwrap();
    none.shrink_to_fit().unwrap();
    none.shrink_to(usize::MAX).unwrap();
    assert_eq!((none.capacity(), none.limit()), (0, 0));

    let mut one = Options::new().step(usize::MAX).create::<u64>(1).unwrap();
    one.push(1).unwrap();
    let error = one.push(2).unwrap_err();
    assert!(matches!(error, Error::Full { limit: 1 }));
    assert!(matches!(one.reserve(usize::MAX), Err(Error::Full { .. })));
    assert!(matches!(one.resize(usize::MAX, 0), Err(Error::Full { .. })));
    assert_eq!((&one[..], one.capacity()), (&[1][..], 1));
}

#[test]
fn elements_are_whatever_bytes_are() {
    let mut rows = Buffer::<[u8; 3]>::new(100_000).unwrap();
    for row in 0..100_000_u32 {
        let [a, b, c, _] = row.to_le_bytes();
        rows.push([a, b, c]).unwrap();
    }
    assert_eq!(rows[65_537], [1, 0, 1]);
    assert_eq!(rows.iter().filter(|row| row[0] == 7).count(), 391);
    let wide = Buffer::<u128>::new(1).unwrap();
    assert!(wide.as_slice().is_empty());
    let mut floats = Buffer::<f32>::new(8).unwrap();
    floats.resize(8, 0.5).unwrap();
    for float in &mut floats {
        *float *= 2.0;
    }
    assert_eq!(format!("{floats:?}"), format!("{:?}", [1.0; 8]));
}

#[test]
fn a_writer_writes_all_or_nothing() {
    let mut log = Buffer::<u8>::new(10).unwrap();
    log.write_all(b"12345678").unwrap();
    let error = log.write_all(b"9012").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(error.to_string().contains("limit"), "{error}");
    log.write_all(b"90").unwrap();
    log.flush().unwrap();
    assert_eq!(&log[..], b"1234567890");
}

#[test]
fn it_goes_to_another_thread() {
    let mut buffer = Buffer::<u8>::new(1 << 20).unwrap();
    buffer.extend_from_slice(b"here").unwrap();
    let address = buffer.addr();
    let buffer = thread::spawn(move || {
        buffer.extend_from_slice(b" and there").unwrap();
        buffer
    });
    let buffer = buffer.join().unwrap();
    assert_eq!(
        (&buffer[..], buffer.addr()),
        (&b"here and there"[..], address)
    );
}

#[test]
fn memory_is_given_back_and_comes_as_zeros() {
    sound!({
        let bytes = patterned(1 << 20);
        let mut buffer = Options::new()
            .step(64 << 10)
            .create::<u8>(64 << 20)
            .unwrap();
        buffer.extend_from_slice(&bytes).unwrap();
        assert_eq!(resident(&buffer), 1 << 20);
        buffer.truncate(page() + 1);
        assert_eq!(resident(&buffer), 1 << 20);
        buffer.shrink_to_fit().unwrap();
        assert_eq!(buffer.capacity(), 2 * page());
        assert_eq!(resident(&buffer), 2 * page());
        assert_eq!(buffer[..], bytes[..=page()]);
        // What comes anew is fresh.
        buffer.reserve(1 << 20).unwrap();
        assert_eq!(resident(&buffer), 2 * page());
        buffer.extend_from_slice(&bytes).unwrap();
        assert_eq!(buffer[page() + 1..], bytes);
        buffer.clear();
        buffer.shrink_to_fit().unwrap();
        assert_eq!(buffer.capacity(), 0);
    });
}

#[test]
fn growing_and_shrinking_leaves_few_mappings() {
    sound!({
        let mut buffer = Buffer::<u8>::new(1 << 30).unwrap();
        let before = mappings();
        for round in 0..100_usize {
            buffer.resize((round * 7919) % (4 << 20), 1).unwrap();
            if round % 3 == 0 {
                buffer.shrink_to_fit().unwrap();
            }
        }
        // Some for the heap, which grows beside it.
        assert!(mappings() <= before + 8, "{before} to {}", mappings());
    });
}

#[test]
fn prefault_brings_pages_in() {
    sound!({
        let mut buffer = Options::new()
            .step(1 << 20)
            .prefault()
            .create::<u8>(1 << 30)
            .unwrap();
        buffer.push(1).unwrap();
        assert_eq!(resident(&buffer), 1 << 20);
        buffer.resize((1 << 20) + 1, 2).unwrap();
        assert_eq!(resident(&buffer), 2 << 20);
        assert_eq!((buffer[0], buffer[1 << 20]), (1, 2));
    });
}

#[test]
fn huge_pages_are_asked_for() {
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        let mut buffer = Options::new().huge_pages().create::<u8>(1).unwrap();
        assert_eq!(errno(&buffer.push(1).unwrap_err()), Some(Errno::INVAL));
        assert_eq!(buffer.capacity(), 0);
        skip!("the kernel has no transparent huge pages");
    }
    sound!({
        let unit = (page() * page() / 8).min(32 << 20);
        let mut buffer = Options::new().huge_pages().create::<u8>(unit + 1).unwrap();
        assert!(buffer.addr().is_multiple_of(unit));
        buffer.push(1).unwrap();
        assert_eq!(buffer.capacity(), unit);
        buffer.resize(unit + 1, 2).unwrap();
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let address = format!("{:x}-{:x} ", buffer.addr(), buffer.addr() + 2 * unit);
        let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&address));
        let flags = lines.find(|line| line.starts_with("VmFlags:")).unwrap();
        assert!(flags.contains(" hg"), "{flags}");
        assert_eq!((buffer[0], buffer[unit]), (1, 2));
    });
}

/// Runs a closure with a lower limit.
fn limited(resource: Resource, current: u64, run: impl FnOnce()) {
    let before = getrlimit(resource);
    let lower = Rlimit {
        current: Some(current),
        maximum: before.maximum,
    };
    setrlimit(resource, lower).expect("a limit can be lowered");
    run();
    setrlimit(resource, before).expect("and put back");
}

/// How many pages `/proc/self/statm` counts in its column.
fn statm(column: usize) -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    statm
        .split_whitespace()
        .nth(column)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn without_memory_it_has_all_that_it_had() {
    let status = in_child!({
        for options in [Options::new(), Options::new().prefault()] {
            let bytes = patterned(1 << 20);
            let mut buffer = options.create::<u8>(1 << 30).unwrap();
            buffer.extend_from_slice(&bytes).unwrap();
            // The second time, what grows was in use before.
            for _ in 0..2 {
                let (len, address) = (buffer.len(), buffer.addr());
                let room = statm(5) * page() as u64 + (8 << 20);
                limited(Resource::Data, room, || {
                    let error = buffer.resize(256 << 20, 0).unwrap_err();
                    assert_eq!(errno(&error), Some(Errno::NOMEM), "{error}");
                    assert_eq!((buffer.len(), buffer.addr()), (len, address));
                    assert_eq!(buffer[..1 << 20], bytes);
                    // A smaller step is possible where the best one is not, until there is nothing left.
                    let error = loop {
                        if let Err(error) = buffer.extend_from_slice(&[7; 50_000]) {
                            break error;
                        }
                    };
                    assert_eq!(errno(&error), Some(Errno::NOMEM), "{error}");
                    assert!(
                        buffer.len() > len + (4 << 20),
                        "{} grew",
                        buffer.len() - len
                    );
                });
                assert_eq!(buffer[..1 << 20], bytes);
                assert!(buffer[1 << 20..].iter().all(|&byte| byte == 7));
                buffer.push(7).unwrap();
                buffer.truncate(1 << 20);
                buffer.shrink_to_fit().unwrap();
            }
        }
    });
    assert!(status.success());
}

#[test]
fn addresses_are_counted_when_they_are_reserved() {
    let status = in_child!({
        let mut buffer = Buffer::<u8>::new(256 << 20).unwrap();
        let room = statm(0) * page() as u64 + (4 << 20);
        limited(Resource::As, room, || {
            let error = Buffer::<u8>::new(256 << 20).unwrap_err();
            assert_eq!(errno(&error), Some(Errno::NOMEM));
            assert!(error.to_string().contains("RLIMIT_AS"), "{error}");
            assert!(
                Map::bytes(64 << 20)
                    .anonymously()
                    .with(perms::None)
                    .is_err()
            );
            // Those it has are its own.
            buffer.resize(8 << 20, 1).unwrap();
        });
        assert!(buffer.iter().all(|&byte| byte == 1));
    });
    assert!(status.success());
}

#[test]
fn neighbours_stay_as_they_are() {
    sound!({
        let around = |at: usize| {
            Map::bytes(page())
                .at(at)
                .anonymously()
                .with(perms::ReadWrite)
        };
        let mut buffer = Buffer::<u8>::new(64 << 10).unwrap();
        let neighbours = [buffer.addr() - page(), buffer.addr() + (64 << 10)].map(around);
        let neighbours: Vec<_> = neighbours
            .into_iter()
            .flatten()
            .map(|mut map| {
                map.fill(9);
                map
            })
            .collect();
        for _ in 0..3 {
            buffer.resize(64 << 10, 1).unwrap();
            buffer.truncate(1);
            buffer.shrink_to_fit().unwrap();
        }
        drop(buffer);
        for map in &neighbours {
            assert!(map.iter().all(|&byte| byte == 9));
        }
    });
}

#[test]
fn where_no_more_mappings_can_be_had_it_has_all_that_it_had() {
    if guest().is_there {
        skip!("so many mappings take minutes in a guest");
    }
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    if limit > 1 << 17 {
        skip!("vm.max_map_count is {limit}: too many mappings to make");
    }
    sound!({
        let bytes = patterned(1 << 20);
        let mut buffer = Options::new().step(1).create::<u8>(64 << 20).unwrap();
        buffer.extend_from_slice(&bytes).unwrap();
        let mut fresh = Buffer::<u8>::new(64 << 20).unwrap();
        let mut secret = Secret::new(5).unwrap();
        // Every second page is a mapping of its own.
        let crowd = Reservation::new(2 * limit * page()).unwrap();
        let all = (0..limit).map(|index| index * 2 * page());
        let full = all
            .map(|start| crowd.protect(start..start + page(), ProtFlags::READ))
            .find_map(Result::err);
        assert_eq!(full.expect("a limit").errno(), Errno::NOMEM);

        // It would be a mapping more, or is not.
        let error = fresh.push(1).unwrap_err();
        assert_eq!(errno(&error), Some(Errno::NOMEM), "{error}");
        assert!(fresh.is_empty());
        for round in 0..3 {
            for done in [
                buffer.resize((1 << 20) + 70_000, round),
                buffer.shrink_to_fit(),
            ] {
                if let Err(error) = done {
                    assert_eq!(errno(&error), Some(Errno::NOMEM), "{error}");
                }
            }
            assert_eq!(buffer[..1 << 20], bytes);
            assert!(buffer[1 << 20..].iter().all(|&byte| byte == round));
            buffer.truncate(1 << 20);
            if let Err(error) = buffer.shrink_to_fit() {
                assert_eq!(errno(&error), Some(Errno::NOMEM), "{error}");
            }
            assert_eq!(buffer[..], bytes);
        }
        // Its pages are a mapping of their own, whatever they allow.
        secret.write().unwrap().copy_from_slice(b"still");
        assert_eq!(&secret.read().unwrap()[..], b"still");
        drop(crowd);
        fresh.push(1).unwrap();
        buffer.resize(2 << 20, 4).unwrap();
        assert_eq!(buffer[..1 << 20], bytes);
    });
}

#[test]
fn the_address_never_moves() {
    sound!({
        for options in [Options::new(), Options::new().step(0).prefault()] {
            let limit = times(64 << 20);
            let mut buffer = options.create::<u64>(limit / 8).unwrap();
            let addr = buffer.addr();
            // What is there is never copied either: the first page stays the page that it is.
            buffer.push(0).unwrap();
            for round in 0..3 {
                let mut value = buffer.len() as u64;
                while value < (limit / 8) as u64 - 1 {
                    let more: Vec<u64> = (value..(limit as u64 / 8).min(value + 99_991)).collect();
                    buffer.extend_from_slice(&more).unwrap();
                    value += more.len() as u64;
                    assert_eq!((buffer.addr(), buffer.as_ptr().addr()), (addr, addr));
                }
                assert!(buffer.iter().copied().eq(0..value));
                assert!(buffer.reserve(limit).is_err() && buffer.resize(limit, 0).is_err());
                assert_eq!(buffer.addr(), addr);
                // To nothing at last, where no page is left.
                buffer.truncate([100_000, 1, 0][round]);
                buffer.shrink_to_fit().unwrap();
                assert_eq!(buffer.addr(), addr);
                buffer.clear();
                buffer.push(0).unwrap();
                assert_eq!((buffer.addr(), buffer.as_ptr().addr()), (addr, addr));
            }
        }
    });
}
