//! `Mirror`: one object at two addresses, against a plain row of bytes whose positions wrap.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::os::fd::AsFd;

use mmarinus::backing::{Exposed, Mirrored, SizeSealed};
use mmarinus::{Errno, Map, Mirror, Shared, perms};
use proptest::prelude::*;
use rustix::fs::{SealFlags, fcntl_add_seals, ftruncate};

use crate::common::{Vma, disk_file, memory_file, page, pattern};

/// A mirror of a memory file whose size is sealed.
fn sealed(len: usize) -> Mirror<SizeSealed> {
    let file = memory_file(len);
    fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    Mirror::new(&file).expect("a mirror")
}

#[test]
fn the_capacity_is_whole_pages() {
    for (len, pages) in [
        (0, 0),
        (1, 1),
        (page(), 1),
        (page() + 1, 2),
        (100 * page(), 100),
    ] {
        let mirror = Mirror::anonymous(len).unwrap();
        assert_eq!(mirror.capacity(), pages * page());
        assert_eq!(mirror.is_empty(), len == 0);
        assert!(mirror.addr().is_multiple_of(page()));
        assert_eq!(
            mirror.slice(0, mirror.capacity()).unwrap(),
            vec![0; pages * page()]
        );
    }
}

#[test]
fn both_halves_are_mapped_for_reading_and_writing() {
    let mirror = Mirror::anonymous(3 * page()).unwrap();
    for addr in [mirror.addr(), mirror.addr() + 3 * page()] {
        let vma = Vma::at(addr).unwrap();
        assert_eq!(
            (vma.start, vma.end, &*vma.perms),
            (addr, addr + 3 * page(), "rw-s")
        );
        assert!(vma.has("dc"), "children do not get it");
    }
    assert_eq!(mirror.as_ptr().addr(), mirror.addr());
    assert_eq!(mirror.as_mut_ptr().addr(), mirror.addr());
    let text = format!("{mirror:?}");
    assert!(
        text.contains("Mirror") && text.contains("capacity"),
        "{text}"
    );
}

#[test]
fn a_byte_that_was_seen_is_seen_anew_after_its_other_address_was_written() {
    let mut mirror = Mirror::anonymous(page()).unwrap();
    let capacity = mirror.capacity();
    for value in 0..=255 {
        let before = mirror.slice(capacity - 1, 2).unwrap()[1];
        assert_eq!(before, value.max(1_u8) - 1);
        mirror.slice_mut(0, 1).unwrap()[0] = value;
        assert_eq!(mirror.slice(capacity - 1, 2).unwrap()[1], value);
        mirror.slice_mut(capacity - 1, 2).unwrap()[1] = value;
        assert_eq!(mirror.slice(0, 1).unwrap()[0], value);
    }
}

#[test]
fn parts_that_would_hold_a_byte_twice_are_refused() {
    let mut mirror = Mirror::anonymous(page()).unwrap();
    let capacity = mirror.capacity();
    let max = usize::MAX;
    for (start, len) in [
        (0, capacity + 1),
        (1, max),
        (capacity, 0),
        (capacity, 1),
        (max, 0),
        (max, max),
        (capacity - 1, capacity + 1),
    ] {
        let error = mirror.slice(start, len).unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::INVAL, "mirror"));
        assert!(error.to_string().contains("no byte twice"), "{error}");
        assert!(mirror.slice_mut(start, len).is_err());
    }
    assert_eq!(
        mirror.slice_mut(capacity - 1, capacity).unwrap().len(),
        capacity
    );
    let empty = Mirror::anonymous(0).unwrap();
    assert!(empty.slice(0, 0).unwrap().is_empty());
    assert!(empty.slice(0, 1).is_err());
    assert!(empty.slice(1, 0).is_err());
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    for len in [
        usize::MAX,
        usize::MAX - page() + 2,
        isize::MAX as usize,
        1 << (usize::BITS - 2),
    ] {
        let error = Mirror::anonymous(len).unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM, "{len:#x}");
    }
}

#[test]
fn a_file_is_seen_by_all_who_have_it() {
    let file = memory_file(2 * page());
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    let (one, two) = (
        Mirror::new(&file).unwrap(),
        Mirror::new(&file.as_fd()).unwrap(),
    );
    assert_eq!(one.capacity(), 2 * page());
    let map = Map::bytes(2 * page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let mut bytes = vec![0; 2 * page()];
    one.view(page(), 2 * page())
        .unwrap()
        .read_at(0, &mut bytes)
        .unwrap();
    assert_eq!(
        bytes[..page()],
        (page()..2 * page()).map(pattern).collect::<Vec<_>>()
    );
    assert_eq!(
        bytes[page()..],
        (0..page()).map(pattern).collect::<Vec<_>>()
    );
    one.view(2 * page() - 1, 3)
        .unwrap()
        .write_at(0, b"abc")
        .unwrap();
    let mut read = [0; 3];
    two.view(2 * page() - 1, 3)
        .unwrap()
        .read_at(0, &mut read)
        .unwrap();
    assert_eq!(&read, b"abc");
    map.read_at(0, &mut read[..2]).unwrap();
    assert_eq!(&read[..2], b"bc");
    for (start, len) in [(2 * page(), 0), (0, 2 * page() + 1), (usize::MAX, 2)] {
        assert_eq!(one.view(start, len).unwrap_err().errno(), Errno::INVAL);
    }
}

#[test]
fn atomics_reach_across_the_end_and_have_one_width() {
    let mirror = sealed(page());
    let words = mirror.atomics::<AtomicU64>(page() - 8, 16).unwrap();
    words[1].store(5, Relaxed);
    assert_eq!(
        mirror.atomics::<AtomicU64>(0, 8).unwrap()[0].load(Relaxed),
        5
    );
    std::thread::scope(|scope| {
        for start in [0, page() - 8] {
            let word = mirror.atomics::<AtomicU64>(start, page()).unwrap();
            let word = if start == 0 { &word[0] } else { &word[1] };
            scope.spawn(move || {
                (0..10_000).for_each(|_| {
                    word.fetch_add(1, Relaxed);
                })
            });
        }
    });
    assert_eq!(words[1].load(Relaxed), 20_005);
    for (start, len, what) in [(4, 8, "size"), (0, 4, "whole number")] {
        let error = mirror.atomics::<AtomicU64>(start, len).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
    assert_eq!(
        mirror.atomics::<AtomicU32>(0, 8).unwrap_err().errno(),
        Errno::INVAL
    );
    assert!(mirror.atomics::<AtomicU8>(0, 8).is_err());
    assert!(mirror.atomics::<AtomicU64>(page(), 8).is_err());
    assert!(mirror.atomics::<AtomicU64>(0, page() + 8).is_err());
    assert!(mirror.atomics::<AtomicU32>(0, 0).unwrap().is_empty());
}

#[test]
fn files_that_could_get_shorter_or_end_within_a_page_are_refused() {
    let open = memory_file(page());
    let error = Mirror::new(&open).unwrap_err();
    assert!(error.to_string().contains("F_SEAL_SHRINK"), "{error}");
    let ragged = memory_file(page() + 1);
    fcntl_add_seals(&ragged, SealFlags::SHRINK).unwrap();
    let error = Mirror::new(&ragged).unwrap_err();
    assert!(
        error.to_string().contains("whole number of pages"),
        "{error}"
    );
    let read_only = memory_file(page());
    fcntl_add_seals(&read_only, SealFlags::SHRINK | SealFlags::WRITE).unwrap();
    assert_eq!(Mirror::new(&read_only).unwrap_err().errno(), Errno::PERM);
    assert!(Mirror::new(&disk_file(page())).is_err());
    assert!(Mirror::new(&std::io::stdin()).is_err());
    let empty = memory_file(0);
    fcntl_add_seals(&empty, SealFlags::SHRINK).unwrap();
    assert!(Mirror::new(&empty).unwrap().is_empty());
    // A file that grows afterwards changes nothing.
    let grows = memory_file(page());
    fcntl_add_seals(&grows, SealFlags::SHRINK).unwrap();
    let mirror = Mirror::new(&grows).unwrap();
    ftruncate(&grows, 4 * page() as u64).unwrap();
    assert_eq!(mirror.capacity(), page());
    assert!(
        mirror
            .view(page() - 1, 2)
            .unwrap()
            .write_at(0, b"ab")
            .is_ok()
    );
}

#[test]
fn a_part_of_a_file_is_that_part_and_no_more() {
    let file = memory_file(5 * page());
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    let part = Mirror::part(&file, 2 * page() as u64, 2 * page()).unwrap();
    assert_eq!(part.capacity(), 2 * page());
    let mut bytes = vec![0; 2 * page()];
    part.view(page(), 2 * page())
        .unwrap()
        .read_at(0, &mut bytes)
        .unwrap();
    let third = (3 * page()..4 * page()).map(pattern);
    let expected: Vec<_> = third.chain((2 * page()..3 * page()).map(pattern)).collect();
    assert_eq!(bytes, expected);
    // What is before and behind it in the file stays as it was.
    part.view(page(), 2 * page())
        .unwrap()
        .write_at(0, &vec![0xff; 2 * page()])
        .unwrap();
    let map = Map::bytes(5 * page())
        .from(&file, 0)
        .with(perms::Read)
        .unwrap();
    let mut all = vec![0; 5 * page()];
    map.read_at(0, &mut all).unwrap();
    for (at, byte) in all.into_iter().enumerate() {
        let written = (2 * page()..4 * page()).contains(&at);
        assert_eq!(byte, if written { 0xff } else { pattern(at) }, "{at}");
    }
    assert!(
        Mirror::part(&file, 5 * page() as u64, 0)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn parts_that_a_file_does_not_have_are_refused() {
    let file = memory_file(3 * page());
    fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    let one = page() as u64;
    for (offset, len, what) in [
        (1, page(), "whole number of pages"),
        (one - 1, page(), "whole number of pages"),
        (0, 1, "whole number of pages"),
        (one, 3 * page(), "past the end"),
        (4 * one, 0, "past the end"),
        (u64::MAX, page(), "past the end"),
        (u64::MAX - one + 1, page(), "past the end"),
        (one, usize::MAX, "past the end"),
        (0, usize::MAX - page() + 1, "past the end"),
    ] {
        let error = Mirror::part(&file, offset, len).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{offset} {len}");
        assert!(error.to_string().contains(what), "{offset} {len}: {error}");
    }
    let open = memory_file(page());
    let error = Mirror::part(&open, 0, page()).unwrap_err();
    assert!(error.to_string().contains("F_SEAL_SHRINK"), "{error}");
    // What grows afterwards is not part of it, and what grew before is.
    ftruncate(&file, 4 * one).unwrap();
    assert_eq!(
        Mirror::part(&file, 3 * one, page()).unwrap().capacity(),
        page()
    );
}

/// A copy of what a mirror that others write holds from a position on.
fn copied<B: Mirrored>(mirror: &Mirror<B>, start: usize, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let view = mirror.view(start, len).unwrap();
    view.read_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn memory_of_its_own_is_exposed_with_its_bytes() {
    let mut mirror = Mirror::anonymous(page()).unwrap();
    let last = page() - 1;
    mirror.slice_mut(last, 3).unwrap().copy_from_slice(b"abc");
    let addr = mirror.addr();
    let mirror: Mirror<Exposed> = mirror.expose();
    assert_eq!(mirror.addr(), addr);
    assert_eq!(copied(&mirror, last, 3), b"abc");
    std::thread::scope(|scope| {
        for index in 0..2 {
            let view = mirror.view(last + 1 - page() + index * last, 1).unwrap();
            scope.spawn(move || view.write_at(0, &[index as u8]).unwrap());
        }
    });
    assert_eq!(copied(&mirror, last, 2), [1, 0]);
    mirror.atomics::<AtomicU32>(page() - 4, 8).unwrap()[1].store(7, Relaxed);
    assert_eq!(copied(&mirror, 0, 4), 7_u32.to_ne_bytes());
    assert!(mirror.atomics::<AtomicU64>(0, 8).is_err());
    assert_eq!(
        mirror.view(0, page() + 1).unwrap_err().errno(),
        Errno::INVAL
    );
    // A child does not have it either.
    assert!(Vma::at(addr).unwrap().has("dc"));

    // What is given back is zeros at both of its addresses.
    mirror.view(last, 2).unwrap().write_at(0, b"fg").unwrap();
    mirror.view(0, page()).unwrap().discard(..).unwrap();
    assert_eq!(copied(&mirror, last, 2), [0, 0]);

    let file: Mirror<Exposed> = sealed_zeros(page()).expose();
    assert!(file.view(0, page()).unwrap().discard(..).is_err());
    file.view(last, 2).unwrap().write_at(0, b"de").unwrap();
    assert_eq!(copied(&file, 0, 1), b"e");
    assert!(Mirror::anonymous(0).unwrap().expose().view(0, 0).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Writes and reads at any position are those of a row of bytes whose positions wrap.
    #[test]
    fn it_is_a_row_whose_positions_wrap(
        pages in 1..4_usize,
        steps in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u8>()), 1..60),
    ) {
        let capacity = pages * page();
        let mut model = vec![0_u8; capacity];
        let mut mirror = Mirror::anonymous(capacity).unwrap();
        let file = sealed_zeros(capacity);
        for (start, len, value) in steps {
            let (start, len) = (usize::from(start) % capacity, usize::from(len) % (capacity + 1));
            for (index, byte) in mirror.slice_mut(start, len).unwrap().iter_mut().enumerate() {
                *byte = value.wrapping_add(index as u8);
            }
            let bytes: Vec<u8> = (0..len).map(|index| value.wrapping_add(index as u8)).collect();
            file.view(start, len).unwrap().write_at(0, &bytes).unwrap();
            for (index, &byte) in bytes.iter().enumerate() {
                model[(start + index) % capacity] = byte;
            }
            for shift in [0, start] {
                let seen = mirror.slice(shift, capacity).unwrap();
                let mut copied = vec![0; capacity];
                file.view(shift, capacity).unwrap().read_at(0, &mut copied).unwrap();
                for index in 0..capacity {
                    prop_assert_eq!(seen[index], model[(shift + index) % capacity]);
                    prop_assert_eq!(copied[index], model[(shift + index) % capacity]);
                }
            }
        }
    }
}

/// A mirror of a memory file of zeros.
fn sealed_zeros(len: usize) -> Mirror<SizeSealed> {
    let mirror = sealed(len);
    mirror
        .view(0, len)
        .unwrap()
        .write_at(0, &vec![0; len])
        .unwrap();
    mirror
}
