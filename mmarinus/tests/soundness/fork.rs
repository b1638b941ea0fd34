//! Forked children: they share what is shared, and have a copy of what is private.
//!
//! All cases that fork stand here, since safe code has no `fork`: `raw::in_fork` forks, and its closure may do no more than a
//! child of a program with several threads may. The cases themselves are safe code.
#![forbid(unsafe_code)]
#![allow(
    clippy::single_range_in_vec_init,
    reason = "a list of ranges that has one"
)]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use mmarinus::{
    Errno, Map, Mirror, Private, ProtFlags, Reservation, Shared, Source, Tracked, Userfault, perms,
};

use mmarinus::userfault::UffdRegisterMode;

use crate::common::{anonymous, bytes_of, disk_file, memory_file, page, shared};
use crate::raw::in_fork;
use crate::signals::install;
use crate::testing::{skip, sound};

#[test]
fn children_share_atomics() {
    sound!({
        let map = shared(page());
        let counters = map.atomics::<AtomicU32>(..).unwrap();
        counters[1].store(5, Relaxed);
        for child in 0..3 {
            let ended_well = in_fork(|| {
                for _ in 0..1000 {
                    counters[0].fetch_add(1, Relaxed);
                }
                counters[1].load(Relaxed) == 5 && counters[0].load(Relaxed) == 1000 * (child + 1)
            });
            assert!(ended_well);
        }
        assert_eq!(counters[0].load(Relaxed), 3000);
        assert_eq!(bytes_of(&map)[..4], 3000_u32.to_ne_bytes());
    });
}

#[test]
fn children_have_their_own_private_memory() {
    sound!({
        let mut map = anonymous(page());
        map.fill(7);
        let bytes = map.as_slice();
        assert!(in_fork(|| bytes.iter().all(|&byte| byte == 7)));
        assert!(in_fork(|| {
            map.fill(8);
            map.iter().all(|&byte| byte == 8)
        }));
        assert!(
            map.iter().all(|&byte| byte == 7),
            "the child wrote its own copy"
        );
        // What a child unmaps is its own as well.
        let mut held = Some(map);
        assert!(in_fork(|| held
            .take()
            .is_some_and(|map| map.unmap().is_ok())));
        assert!(held.unwrap().iter().all(|&byte| byte == 7));
    });
}

#[test]
fn children_copy_from_files_themselves() {
    sound!({
        let file = disk_file(page());
        let private = Map::bytes(page())
            .from(&file, 0)
            .with_kind(Private)
            .with(perms::ReadWrite)
            .unwrap();
        let shared = Map::bytes(page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        let (one, two) = (private.view(..).unwrap(), shared.view(..).unwrap());
        assert!(in_fork(
            || one.write_at(0, b"x").is_ok() && two.write_at(1, b"y").is_ok()
        ));
        assert_eq!(bytes_of(&private)[..2], [0, b'y']);
        assert_eq!(bytes_of(&shared)[..2], [0, b'y']);
    });
}

#[test]
fn a_forked_child_moves_its_own_pages() {
    sound!({
        let mut map = anonymous(2 * page());
        map.fill(7);
        let twins = shared(page());
        let mut held = Some(map);
        assert!(in_fork(|| {
            let Some(Ok(mut map)) = held.take().map(|map| map.resize(40 * page())) else {
                return false;
            };
            let Ok(taken) = map.take_pages() else {
                return false;
            };
            let Ok(twin) = twins.duplicate() else {
                return false;
            };
            let twin = twin.view(..).and_then(|view| view.sub(..4));
            map[0] == 0 && taken[0] == 7 && twin.is_ok_and(|view| view.write_at(0, b"fork").is_ok())
        }));
        let map = held.unwrap();
        assert!(map.iter().all(|&byte| byte == 7));
        assert_eq!(&bytes_of(&twins)[..4], b"fork");
    });
}

#[test]
fn forked_children_catch_as_well() {
    sound!({
        install();
        let file = memory_file(2 * page());
        let map = Map::bytes(2 * page())
            .from(&file, 0)
            .with(perms::Read)
            .unwrap();
        file.set_len(page() as u64).unwrap();
        assert!(in_fork(|| {
            let mut buffer = [0; 100];
            let stopped = map.read_at(page() - 60, &mut buffer);
            stopped.is_err_and(|fault| fault.copied() == 60)
                && in_fork(|| {
                    map.read_at(page(), &mut [0])
                        .is_err_and(|fault| fault.copied() == 0)
                })
        }));
        let fault = map.read_at(page() - 1, &mut [0; 2]).unwrap_err();
        assert_eq!((fault.copied(), fault.offset()), (1, page()));
    });
}

#[test]
fn children_do_not_write_the_mirrors_of_their_parents() {
    sound!({
        let mut mirror = Mirror::anonymous(page()).unwrap();
        mirror.slice_mut(page() - 1, 2).unwrap().fill(7);
        let taken = mirror.addr();
        // In the child nothing is mapped there, so a hint to that address is taken.
        assert!(in_fork(|| {
            let mut own = anonymous_near(taken, 2 * page());
            own.fill(9);
            let there = own.addr() == taken;
            core::mem::forget(own);
            there
        }));
        assert_eq!(mirror.slice(page() - 1, 2).unwrap(), [7, 7]);
    });
}

/// Private anonymous memory at an address, or elsewhere if that is taken.
fn anonymous_near(address: usize, len: usize) -> Map<perms::ReadWrite> {
    Map::bytes(len)
        .near(address)
        .anonymously()
        .with(perms::ReadWrite)
        .expect("memory")
}

#[test]
fn children_have_reservations_of_their_own() {
    sound!({
        let rw = ProtFlags::READ | ProtFlags::WRITE;
        let reservation = Reservation::new(4 * page()).unwrap();
        let zeros = Source::anonymous();
        reservation.place(..page(), &zeros, 0, Shared, rw).unwrap();
        reservation.protect(page()..2 * page(), rw).unwrap();
        let view = reservation.view(..2 * page()).unwrap();
        view.write_at(0, &vec![7; 2 * page()]).unwrap();
        assert!(in_fork(|| {
            let placed = reservation.place(2 * page().., &zeros, 0, Private, rw);
            let written = view.write_at(0, &[8]).is_ok() && view.write_at(page(), &[8]).is_ok();
            placed.is_ok() && written && reservation.decommit(..).is_ok()
        }));
        let mut bytes = [0; 1];
        view.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, [8], "shared memory is shared");
        view.read_at(page(), &mut bytes).unwrap();
        assert_eq!(bytes, [7], "private memory is not");
        let beyond = reservation.view(2 * page()..).unwrap();
        assert!(beyond.read_at(0, &mut bytes).is_err());
    });
}

#[test]
fn children_get_of_each_backing_what_its_docs_say() {
    sound!({
        use rustix::fs::{SealFlags, fcntl_add_seals};
        let file = memory_file(page());
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).unwrap();
        if mmarinus_sys::Support::overcommit() == Ok(mmarinus_sys::Overcommit::NEVER) {
            skip!("memory may not be overcommitted");
        }
        let request = || Map::bytes(page()).from_size_sealed(&file, 0);
        let shared = request().with_kind(Shared).with(perms::ReadWrite).unwrap();
        let private = request().with(perms::ReadWrite).unwrap();
        let (same, copy) = (
            shared.atomics::<AtomicU32>(..).unwrap(),
            private.atomics::<AtomicU32>(..).unwrap(),
        );
        copy[0].store(1, Relaxed);
        assert!(in_fork(|| {
            same[4].store(9, Relaxed);
            let copied = copy[0].load(Relaxed) == 1;
            copy[0].store(2, Relaxed);
            copied
        }));
        assert_eq!((same[4].load(Relaxed), copy[0].load(Relaxed)), (9, 1));
        let exposed = anonymous(page()).expose();
        let copy = exposed.atomics::<AtomicU32>(..).unwrap();
        assert!(in_fork(|| copy[0].fetch_add(1, Relaxed) == 0));
        assert_eq!(copy[0].load(Relaxed), 0);
        // Droppable memory is zeros in a child.
        let request = Map::bytes(page()).anonymously().droppable();
        if let Ok(cache) = request.with(perms::ReadWrite) {
            let bytes = cache.atomics::<AtomicU32>(..).unwrap();
            bytes[3].store(7, Relaxed);
            assert!(in_fork(|| bytes[3].load(Relaxed) == 0));
        }
        let request = Map::bytes(page()).anonymously().wipe_on_fork();
        let mut wiped = request.with(perms::ReadWrite).unwrap();
        wiped.fill(7);
        let bytes = wiped.as_slice();
        assert!(in_fork(|| bytes.iter().all(|&byte| byte == 0)));
        assert!(bytes.iter().all(|&byte| byte == 7));
    });
}

#[test]
fn core_dumps_leave_out_what_the_docs_say() {
    sound!({
        use mmarinus::Advice;
        let dumped = |addr| !crate::common::Vma::at(addr).unwrap().has("dd");
        let map = anonymous(page());
        assert!(dumped(map.addr()));
        map.advise(.., Advice::DONTDUMP).unwrap();
        assert!(!dumped(map.addr()));
        map.advise(.., Advice::DODUMP).unwrap();
        assert!(dumped(map.addr()));
        assert!(dumped(shared(page()).addr()));
        assert!(dumped(crate::common::file_map(page(), Private).addr()));
        let request = Map::bytes(page()).anonymously().droppable();
        if let Ok(cache) = request.with(perms::ReadWrite) {
            assert!(!dumped(cache.addr()));
        }
        if let Ok(secret) = Map::bytes(page()).secret().with(perms::ReadWrite) {
            assert!(!dumped(secret.addr()));
            // Nothing of it is in a child either.
            assert!(crate::common::Vma::of(&secret).has("dc"));
        }
    });
}

#[test]
fn a_forked_child_leaves_the_tracking_alone() {
    sound!({
        let Ok(mut map) = anonymous(4 * page()).track_writes() else {
            return; // An older kernel.
        };
        map[0] = 1;
        let told = |map: &Tracked<Map<perms::ReadWrite>>| {
            map.take_dirty(..)
                .is_ok_and(|dirty| dirty.flatten().eq([0..page()]))
        };
        let mut held = Some(map);
        assert!(in_fork(|| {
            let Some(mut map) = held.take() else {
                return false;
            };
            map[page()] = 1;
            let refused = map
                .take_dirty(..)
                .is_err_and(|error| error.errno() == Errno::SRCH);
            let map = map.into_map();
            refused
                && map[page()] == 1
                && map.track_writes().is_ok_and(|mut map| {
                    map[0] = 2;
                    told(&map)
                })
        }));
        let mut map = held.unwrap();
        assert!(told(&map));
        map[2 * page()] = 1;
        // In the middle of taking: what the child drops is its own copy of the list.
        let mut dirty = map.take_dirty(..).unwrap();
        let mut childs = Some(&mut dirty);
        assert!(in_fork(|| childs
            .take()
            .is_some_and(|dirty| dirty.count() <= 1)));
        assert_eq!(dirty.next().unwrap().unwrap(), 2 * page()..3 * page());
        assert!(dirty.next().is_none());
    });
}

#[test]
fn a_forked_child_is_refused_by_a_userfaultfd() {
    sound!({
        let Ok(uffd) = Userfault::new() else {
            return; // Forbidden here.
        };
        let modes = UffdRegisterMode::MISSING;
        let map = anonymous(2 * page()).page_by(&uffd, modes).unwrap();
        let bytes = vec![1; page()];
        let mut own = Some(anonymous(page()));
        assert!(in_fork(|| {
            let gone = |error: Option<Errno>| error == Some(Errno::SRCH);
            let answers = gone(uffd.copy(&map, 0, &bytes).err().map(|error| error.errno()))
                && gone(uffd.zero(&map, ..).err().map(|error| error.errno()))
                && gone(uffd.wait(None).err().map(|error| error.errno()));
            let handed = own.take().map(|map| map.page_by(&uffd, modes));
            let refused = handed.and_then(|handed| handed.err().map(|error| error.errno()));
            // Nobody answers for the child: its pages are zeros.
            answers && gone(refused) && map.read_at(0, &mut [9]).is_ok()
        }));
        assert_eq!(uffd.copy(&map, 0, &bytes).unwrap(), page());
        assert_eq!(uffd.zero(&map, page()..).unwrap(), page());
        assert_eq!(bytes_of(&map)[..page()], bytes);
    });
}

#[cfg(feature = "std")]
#[test]
fn a_forked_child_has_no_part_in_a_supply() {
    sound!({
        let Ok((map, supplier)) = anonymous(4 * page()).supply_pages() else {
            return; // Forbidden here.
        };
        let bytes = vec![6; page()];
        supplier.copy(0, &bytes).unwrap();
        let mut held = Some(map);
        let mut also = Some(supplier.clone());
        assert!(in_fork(|| {
            let refused = [
                supplier.copy(page(), &bytes).err(),
                supplier.zero(page()..).err(),
                supplier.next().err(),
            ];
            let refused = refused
                .iter()
                .all(|error| error.as_ref().is_some_and(|it| it.errno() == Errno::SRCH));
            let Some(mut map) = held.take() else {
                return false;
            };
            let own = map[0] == 6 && map[page()] == 0;
            map.as_mut_slice().fill(9);
            drop(also.take());
            let map = map.into_map();
            refused && own && map.is_ok_and(|map| map.iter().all(|&byte| byte == 9))
        }));
        let map = held.unwrap();
        // The child wrote its own copy, and what it dropped ends nothing here.
        assert_eq!(map[0], 6);
        let thread = std::thread::spawn(move || {
            while let Some(missing) = supplier.next().unwrap() {
                supplier.copy(missing.offset(), &bytes).unwrap();
            }
        });
        assert_eq!(map[page()], 6);
        // Beside a supplier that may be inside.
        let mut held = Some(map);
        for _ in 0..20 {
            assert!(in_fork(|| held.take().is_some_and(|map| map[0] == 6)));
        }
        let map = held.unwrap();
        assert_eq!(map[3 * page()], 6);
        drop(also);
        drop(map);
        thread.join().unwrap();
    });
}
