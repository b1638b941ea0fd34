//! Supplied maps are slices: whatever suppliers do, or do not do, nothing changes under them, faults, or waits for ever.
#![forbid(unsafe_code)]

use std::thread;

use mmarinus::supply::{Supplier, Supply};
use mmarinus::userfault::UffdRegisterMode;
use mmarinus::{Errno, Map, Userfault, perms};

use crate::common::{anonymous, bytes_of, page};
use crate::signals::install;
use crate::testing::{needs, sound, times};

/// Anonymous memory that was given away.
fn supplied(len: usize) -> (Supply<perms::ReadWrite>, Supplier) {
    anonymous(len).supply_pages().expect("a userfaultfd")
}

/// The same at an address, if that is free.
fn supplied_at(address: usize, len: usize) -> Option<(Supply<perms::ReadWrite>, Supplier)> {
    let map = Map::bytes(len).at(address).anonymously();
    Some(map.with(perms::ReadWrite).ok()?.supply_pages().unwrap())
}

#[test]
fn nothing_is_left_of_it() {
    needs!(userfaultfd_user_mode_only);
    sound!({
        let (map, supplier) = supplied(4 * page());
        supplier.copy(0, &vec![1; 2 * page()]).unwrap();
        assert_eq!(map[page()], 1);
        drop(supplier);
        drop(map);
        let (map, supplier) = supplied(4 * page());
        drop(map);
        drop(supplier);
        let (map, supplier) = supplied(4 * page());
        drop(supplier);
        drop(map.into_map().unwrap());
        let (map, supplier) = supplied(4 * page());
        let thread = thread::spawn(move || {
            while let Some(missing) = supplier.next().unwrap() {
                supplier.copy(missing.offset(), &vec![2; page()]).unwrap();
            }
        });
        assert_eq!(map[3 * page()], 2);
        drop(map);
        thread.join().unwrap();
    });
}

#[test]
fn a_supplier_that_dies_leaves_nobody_waiting() {
    needs!(userfaultfd_user_mode_only);
    sound!({
        let (map, supplier) = supplied(4 * page());
        thread::scope(|scope| {
            let readers: Vec<_> = (0..4)
                .map(|nth| {
                    let byte = &map[nth * page()..][..1];
                    scope.spawn(move || byte[0])
                })
                .collect();
            let dies = thread::spawn(move || {
                let missing = supplier.next().unwrap().unwrap();
                supplier.copy(missing.offset(), &vec![3; page()]).unwrap();
                panic!("nobody answers any more");
            });
            assert!(dies.join().is_err());
            let read: Vec<u8> = readers.into_iter().map(|it| it.join().unwrap()).collect();
            assert_eq!(read.iter().filter(|&&byte| byte == 3).count(), 1);
            assert_eq!(read.iter().filter(|&&byte| byte == 0).count(), 3);
            for (nth, byte) in read.iter().enumerate() {
                assert_eq!(map[nth * page()], *byte, "it never changes");
            }
        });
    });
}

#[test]
fn a_supplier_fills_no_pages_of_others() {
    needs!(userfaultfd_user_mode_only);
    sound!({
        let (map, stale) = supplied(2 * page());
        let (address, bytes) = (map.addr(), vec![9; 2 * page()]);
        drop(map);
        // The same place, and missing pages again: the kernel would fill them.
        let Some((map, supplier)) = supplied_at(address, 2 * page()) else {
            return; // A thread of the runner has it.
        };
        assert_eq!(stale.copy(0, &bytes).unwrap_err().errno(), Errno::NOENT);
        assert_eq!(stale.zero(..).unwrap_err().errno(), Errno::NOENT);
        assert_eq!(stale.next().unwrap(), None);
        assert_eq!(supplier.copy(0, &vec![1; 2 * page()]).unwrap(), 2 * page());
        drop(stale);
        assert!(map.iter().all(|&byte| byte == 1));
        // What was taken back and is paged by another is not filled either.
        let (map, stale) = supplied(2 * page());
        let map = map.into_map().unwrap();
        let Ok(uffd) = Userfault::without_waiting() else {
            return;
        };
        let map = map.page_by(&uffd, UffdRegisterMode::MISSING).unwrap();
        assert!(stale.copy(0, &bytes).is_err());
        drop(stale);
        assert_eq!(map.read_at(0, &mut [0]).unwrap_err().errno(), Errno::FAULT);
        assert_eq!(uffd.zero(&map, ..).unwrap(), 2 * page());
        assert_eq!(bytes_of(&map), vec![0; 2 * page()]);
    });
}

#[test]
fn ending_waits_for_those_who_supply() {
    needs!(userfaultfd_user_mode_only);
    sound!({
        let (bytes, neighbour) = (vec![5; 64 * page()], anonymous(64 * page()));
        for nth in 0..times(200) {
            let (map, supplier) = supplied(64 * page());
            thread::scope(|scope| {
                let copies = scope.spawn(|| match supplier.copy(0, &bytes) {
                    Ok(done) => assert!(done <= bytes.len()),
                    Err(error) => assert_eq!(error.errno(), Errno::NOENT),
                });
                if nth % 2 == 0 {
                    drop(map);
                } else {
                    let map = map.into_map().unwrap();
                    // From here on nothing changes it.
                    let before = map.to_vec();
                    copies.join().unwrap();
                    assert_eq!(map[..], before[..]);
                }
                // Whatever comes to lie there is not written.
                let fresh = anonymous(64 * page());
                assert!(fresh.iter().all(|&byte| byte == 0));
            });
        }
        assert!(neighbour.iter().all(|&byte| byte == 0));
    });
}

#[test]
fn bytes_that_were_seen_never_change() {
    needs!(userfaultfd_user_mode_only);
    sound!({
        let pages = 64;
        let (map, supplier) = supplied(pages * page());
        thread::scope(|scope| {
            // Three suppliers that contradict each other, and bring in what nobody asked for.
            for nth in 1..4_u8 {
                let supplier = supplier.clone();
                scope.spawn(move || {
                    let bytes = vec![nth; 4 * page()];
                    for round in 0..4 * pages {
                        let offset = (round * 7 + usize::from(nth)) % (pages - 4) * page();
                        if nth == 3 {
                            supplier.zero(offset..offset + page()).unwrap();
                        } else {
                            supplier.copy(offset, &bytes).unwrap();
                        }
                    }
                });
            }
            drop(supplier);
            for first in 0..3 {
                let map = &map;
                scope.spawn(move || {
                    let order: Vec<usize> =
                        (0..pages).map(|nth| (nth * 5 + first) % pages).collect();
                    let seen: Vec<u8> = order.iter().map(|nth| map[nth * page()]).collect();
                    for (nth, byte) in order.iter().zip(seen) {
                        let whole = &map[nth * page()..][..page()];
                        assert!(whole.iter().all(|&other| other == byte));
                    }
                });
            }
        });
    });
}

#[test]
fn halves_that_are_exchanged_stay_with_their_pages() {
    needs!(userfaultfd_user_mode_only);
    sound!({
        let (mut one, first) = supplied(page());
        let (mut two, second) = supplied(page());
        core::mem::swap(&mut one, &mut two);
        first.copy(0, &vec![1; page()]).unwrap();
        second.copy(0, &vec![2; page()]).unwrap();
        assert_eq!((one[0], two[0]), (2, 1));
        drop(one);
        assert_eq!(second.zero(..).unwrap_err().errno(), Errno::NOENT);
        assert_eq!(first.zero(..).unwrap(), 0);
    });
}

#[test]
fn a_supplied_map_that_is_forgotten_is_harmless() {
    needs!(userfaultfd_user_mode_only);
    let leak = crate::testing::sound::Leak {
        fds: 2,
        mapped: page(),
        ..crate::testing::sound::Leak::NOTHING
    };
    sound!(leak, {
        let (map, supplier) = supplied(page());
        let bytes: &'static [u8] = Box::leak(Box::new(map)).as_slice();
        supplier.copy(0, &vec![4; page()]).unwrap();
        drop(supplier);
        assert_eq!(bytes[page() - 1], 4);
    });
}

/// Meets missing pages for which nobody waits.
fn copy_without_waiting() {
    let uffd = Userfault::without_waiting().unwrap();
    let modes = UffdRegisterMode::MISSING;
    let map = anonymous(3 * page()).page_by(&uffd, modes).unwrap();
    let fault = map.read_at(0, &mut [0; 8]).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 0));
    let fault = map.view(..).unwrap().write_at(5, &[1]).unwrap_err();
    assert_eq!((fault.errno(), fault.offset()), (Errno::FAULT, 5));
    assert!(map.lock(..).is_err());
    map.unlock(..).unwrap();
    assert!(!uffd.wait(Some(core::time::Duration::ZERO)).unwrap());
    uffd.copy(&map, 0, &vec![7; page()]).unwrap();
    let mut bytes = vec![0; 2 * page()];
    let fault = map.read_at(0, &mut bytes).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, page()));
    assert!(bytes[..page()].iter().all(|&byte| byte == 7));
}

#[test]
fn a_page_without_waiting_is_an_error_until_it_is_there() {
    needs!(userfaultfd_user_mode_only);
    sound!({
        copy_without_waiting();
        install();
        copy_without_waiting();
    });
}
