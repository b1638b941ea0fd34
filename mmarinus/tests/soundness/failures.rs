//! Every change of a map that fails, by limits and by files that fail late, while another thread maps and unmaps all the time.
//!
//! After each error the map in it has every byte and every permission that its type says, or there is none; the other
//! thread's maps are intact; and what was taken is given back.
#![forbid(unsafe_code)]

use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::thread;

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::perms::{MayRead, Permissions};
use mmarinus::{Errno, Error, Map, Private, ProtFlags, Shared, perms};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::{Vma, anonymous, disk_file, file_map, page, patterned, shared};
use crate::testing::{features, in_child, skip, sound};

/// Maps, checks and unmaps until it is told to stop, whatever limits there are.
fn map_and_check(done: &AtomicBool, rounds: &AtomicUsize) {
    let mut kept: Vec<(u8, Map<perms::ReadWrite>)> = Vec::with_capacity(32);
    let mut value = 1_u8;
    while !done.load(Relaxed) {
        value = value.wrapping_add(2);
        let len = (usize::from(value) % 3 + 1) * page();
        if let Ok(mut map) = Map::bytes(len).anonymously().with(perms::ReadWrite) {
            assert!(map.iter().all(|&byte| byte == 0), "new pages are zeros");
            map.fill(value);
            kept.push((value, map));
        }
        for (value, map) in &kept {
            assert!(map.iter().all(|byte| byte == value), "a map was touched");
        }
        if kept.len() > 8 {
            drop(kept.swap_remove(usize::from(value) % 8));
        }
        rounds.fetch_add(1, Relaxed);
    }
}

/// Says that it is over, also when it panics.
struct Over<'flag>(&'flag AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Runs a closure beside a thread that maps, and waits until that has done something as well.
fn beside_a_thread_that_maps(run: impl FnOnce()) {
    let (done, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let other = scope.spawn(|| map_and_check(&done, &rounds));
        let over = Over(&done);
        run();
        let before = rounds.load(Relaxed);
        while rounds.load(Relaxed) < before + 20 && !other.is_finished() {
            thread::yield_now();
        }
        drop(over);
        assert!(other.join().is_ok(), "another thread's maps were touched");
    });
}

/// Asserts that all of a map is mapped as its type says, and has the bytes.
fn assert_intact<P: Permissions + MayRead, K: Kind, B: Backing<K>>(
    map: &Map<P, K, B>,
    bytes: &[u8],
) {
    let flag = |flag, letter| {
        if map.permissions().contains(flag) {
            letter
        } else {
            '-'
        }
    };
    let kind = if K::SHARED { 's' } else { 'p' };
    let expected: String = [
        flag(ProtFlags::READ, 'r'),
        flag(ProtFlags::WRITE, 'w'),
        flag(ProtFlags::EXEC, 'x'),
        kind,
    ]
    .iter()
    .collect();
    let (start, len) = map.pages();
    let mut at = start;
    while at < start + len {
        let vma = Vma::at(at).expect("all of it is mapped");
        assert_eq!(vma.perms, expected);
        at = vma.end;
    }
    // In pieces, for which there is room whatever the limit is.
    let mut piece = [0; 4096];
    for (index, expected) in bytes.chunks(piece.len()).enumerate() {
        let piece = &mut piece[..expected.len()];
        map.read_at(index * 4096, piece).expect("readable bytes");
        assert!(piece == expected, "each byte is what it was");
    }
    assert_eq!(map.len(), bytes.len());
}

/// What failed gives back a map that is intact; what did not fail is dropped with what it made.
fn settled<T, P: Permissions + MayRead, K: Kind, B: Backing<K>>(
    what: &str,
    result: Result<T, Error<Map<P, K, B>>>,
    bytes: &[u8],
) -> Map<P, K, B> {
    let Err(error) = result else {
        panic!("{what} did not fail");
    };
    assert!(!error.to_string().contains("man page"), "{what}: {error}");
    let map = error
        .into_map()
        .unwrap_or_else(|| panic!("{what} lost the map"));
    assert_intact(&map, bytes);
    map
}

/// Runs a closure with less address space than a map of `LARGE` bytes needs.
fn with_little_room(run: impl FnOnce()) {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    let before = getrlimit(Resource::As);
    let lower = Rlimit {
        current: Some(pages * page() as u64 + (8 << 20)),
        maximum: before.maximum,
    };
    setrlimit(Resource::As, lower).expect("a limit can be lowered");
    run();
    setrlimit(Resource::As, before).expect("and put back");
}

/// More than there is room for.
const LARGE: usize = 16 << 20;

#[test]
fn without_address_space_every_change_gives_back_its_map() {
    sound!({
        let file = disk_file(2 * page());
        let mut private = anonymous(LARGE);
        let mut some = vec![0; LARGE];
        some[..8].copy_from_slice(b"the same");
        private[..8].copy_from_slice(b"the same");
        let twins = shared(LARGE);
        twins.view(..).unwrap().write_at(0, b"the same").unwrap();
        let of_file = file_map(2 * page(), Shared);
        let place = Map::bytes(page())
            .anonymously()
            .with(perms::None)
            .unwrap()
            .addr();
        let far = place.wrapping_sub(1 << 36);
        beside_a_thread_that_maps(|| {
            with_little_room(|| {
                let (mut map, mut twins, mut of_file) = (private, twins, of_file);
                let pattern = patterned(0, 2 * page());
                for _ in 0..5 {
                    map = settled("resize", map.resize(2 * LARGE), &some);
                    map = settled("resize_in_place", map.resize_in_place(2 * LARGE), &some);
                    map = settled("move_to", map.move_to(far), &some);
                    map = settled("remap", map.remap().anonymously().with(perms::Read), &some);
                    map = settled(
                        "remap to a file",
                        map.remap().from(&file, 0).with(perms::Read),
                        &some,
                    );
                    let error = map.take_pages().unwrap_err();
                    assert_eq!(error.errno(), Errno::NOMEM);
                    assert_intact(&map, &some);
                    assert_eq!(twins.duplicate().unwrap_err().errno(), Errno::NOMEM);
                    twins = settled(
                        "remap of shared memory",
                        twins.remap().anonymously().with(perms::Read),
                        &some,
                    );
                    of_file = settled("resize of a file", of_file.resize(LARGE), &pattern);
                    of_file = settled(
                        "grow_file of another",
                        of_file.grow_file(&file, LARGE),
                        &pattern,
                    );
                }
                drop((map, twins, of_file));
            });
        });
    });
}

#[test]
fn files_that_fail_late_take_nothing_with_them() {
    sound!({
        let udp = OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
        let tcp = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let mut fds = vec![udp, tcp];
        // A secret is not mapped privately, and a packet socket without a ring not at all.
        fds.extend(mmarinus_sys::memfd_secret(Default::default()).ok());
        let packet = rustix::net::AddressFamily::from_raw(17);
        fds.extend(rustix::net::socket(packet, rustix::net::SocketType::RAW, None).ok());
        let bytes = vec![7; 3 * page()];
        beside_a_thread_that_maps(|| {
            let mut maps = Vec::new();
            for round in 0..50_usize {
                let mut map = anonymous(3 * page());
                map.fill(7);
                let words = shared(3 * page());
                words.view(..).unwrap().write_at(0, &bytes).unwrap();
                let mut words = words;
                let udp = &fds[0];
                for fd in &fds {
                    let request = map.remap().from_device(fd, 0);
                    map = settled("remap", request.with(perms::ReadWrite), &bytes);
                    let request = map.remap().from_device(fd, page() as u64 + 1);
                    map = settled("remap within a page", request.with(perms::Read), &bytes);
                }
                let request = words.remap().from_device(udp, 0).with_kind(Shared);
                words = settled("remap of shared memory", request.with(perms::Read), &bytes);
                // In place such a failure loses the range, which is nobody's then, or anybody's.
                let (one, rest) = map.split(page()).unwrap();
                let (two, three) = rest.split(page()).unwrap();
                let request = two.remap_in_place().from_device(&fds[round % fds.len()], 0);
                let error = request.with(perms::ReadWrite).unwrap_err();
                assert!(error.into_map().is_none());
                assert_intact(&one, &bytes[..page()]);
                assert_intact(&three, &bytes[..page()]);
                maps.push((one, three, words));
                maps.truncate(4);
            }
        });
    });
}

/// The middle of a mapping, with its neighbours.
fn middle(value: u8) -> [Map<perms::ReadWrite>; 3] {
    let mut map = anonymous(12 * page());
    map.fill(value);
    let (one, rest) = map.split(4 * page()).unwrap();
    let (two, three) = rest.split(4 * page()).unwrap();
    [one, two, three]
}

#[test]
fn without_mappings_left_every_change_gives_back_its_map_beside_another_thread() {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").expect("the limit");
    let limit: usize = limit.trim().parse().expect("a number");
    if limit > 1 << 20 || features::guest().is_there {
        skip!("so many mappings take minutes");
    }
    let status = in_child!({
        let file = disk_file(4 * page());
        let bytes = vec![7; 4 * page()];
        // All is made before there is no room, and dropped when there is some again.
        let mut ready: Vec<_> = (0..12).map(|_| middle(7)).collect();
        let mut held: Vec<Box<dyn Any>> = Vec::with_capacity(64);
        let mut crowd = Vec::with_capacity(limit);
        let kinds = [ProtFlags::READ, ProtFlags::empty()];
        beside_a_thread_that_maps(|| {
            while let Ok(map) = Map::bytes(page())
                .anonymously()
                .with(perms::Unknown(kinds[crowd.len() % 2]))
            {
                crowd.push(map);
            }
            // Each change is given a map of its own; it fails or not, as the other thread leaves room.
            let mut failed = 0;
            let mut next = |held: &mut Vec<Box<dyn Any>>| {
                let [one, two, three] = ready.pop().expect("enough are ready");
                held.push(Box::new((one, three)));
                two
            };
            macro_rules! change {
                ($change:expr) => {{
                    let map = next(&mut held);
                    let change: fn(Map<perms::ReadWrite>, &std::fs::File) -> _ = $change;
                    match change(map, &file) {
                        Ok(new) => held.push(Box::new(new)),
                        Err(error) => {
                            failed += 1;
                            assert!(error.to_string().contains("vm.max_map_count"), "{error}");
                            let moved = error.operation() == "mremap";
                            match error.into_map() {
                                Some(map) => {
                                    assert_intact::<_, Private, _>(&map, &bytes);
                                    held.push(Box::new(map));
                                }
                                None => assert!(moved, "only a move may lose the map"),
                            }
                        }
                    }
                }};
            }
            change!(|map, _| map.reprotect(perms::Read));
            change!(|map, _| map.reprotect(perms::None));
            change!(|map, _| map.unmap());
            change!(|map, _| map.resize(40 * page()));
            change!(|map, _| map.resize(page()));
            change!(|map, _| map.resize(0));
            change!(|map, _| map.move_to(1 << 42));
            change!(|map, _| map.remap().anonymously().with(perms::Read));
            change!(|map, file| map.remap().from(file, 0).with(perms::Read));
            change!(|map, _| map.free(page()..2 * page()));
            let mut map = next(&mut held);
            for _ in 0..2 {
                match map.take_pages_at(page()..2 * page()) {
                    Ok(taken) => {
                        assert!(taken.iter().all(|&byte| byte == 7));
                        held.push(Box::new(taken));
                    }
                    Err(error) => {
                        failed += 1;
                        assert_eq!(error.errno(), Errno::NOMEM, "{error}");
                        assert!(map[..page()].iter().all(|&byte| byte == 7));
                    }
                }
            }
            held.push(Box::new(map));
            assert!(failed > 3, "{failed} changes failed");
            crowd.clear();
        });
        for neighbours in held.drain(..) {
            if let Ok(pair) =
                neighbours.downcast::<(Map<perms::ReadWrite>, Map<perms::ReadWrite>)>()
            {
                assert_intact(&pair.0, &bytes);
                assert_intact(&pair.1, &bytes);
            }
        }
    });
    assert!(status.success());
}
