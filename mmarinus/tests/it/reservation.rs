//! `Reservation`: both faces, each refusal, and what the kernel says is mapped; against a plain list of pages.

use std::os::unix::fs::FileExt;

use mmarinus::{Errno, Map, Private, ProtFlags, Reservation, Shared, Source, perms};
use proptest::prelude::*;

use crate::common::{Vma, disk_file, memory_file, page, pattern, patterned};

const NONE: ProtFlags = ProtFlags::empty();
const READ: ProtFlags = ProtFlags::READ;
const BOTH: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// The bytes of a page, or the errno for which there are none.
fn read_page(reservation: &Reservation, index: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0xee; page()];
    let view = reservation
        .view(index * page()..(index + 1) * page())
        .unwrap();
    view.read_at(0, &mut bytes).map_err(|fault| fault.errno())?;
    Ok(bytes)
}

/// The range of some pages.
fn pages(start: usize, end: usize) -> core::ops::Range<usize> {
    start * page()..end * page()
}

#[test]
fn terabytes_cost_nothing() {
    let reservation = Reservation::new(8 << 40).unwrap();
    assert_eq!(reservation.len(), 8 << 40);
    let vma = Vma::at(reservation.addr()).unwrap();
    assert_eq!((&*vma.perms, vma.bytes("Rss")), ("---p", 0));
    assert_eq!(read_page(&reservation, 12345), Err(Errno::FAULT));
    assert_eq!(reservation.page_size(), page());
    assert_eq!(reservation.as_ptr(), reservation.as_mut_ptr().cast_const());
    assert!(format!("{reservation:?}").contains("len"));
    reservation.unmap().unwrap();
}

#[test]
fn lengths_are_whole_pages_and_fit() {
    for (len, whole) in [(0, 0), (1, 1), (page(), 1), (page() + 1, 2)] {
        let reservation = Reservation::new(len).unwrap();
        assert_eq!(reservation.len(), whole * page());
        assert_eq!(reservation.is_empty(), len == 0);
    }
    for len in [
        usize::MAX,
        usize::MAX - page(),
        isize::MAX as usize,
        1 << 60,
    ] {
        assert_eq!(Reservation::new(len).unwrap_err().errno(), Errno::NOMEM);
    }
    for align in [0, 3, usize::MAX] {
        assert_eq!(
            Reservation::aligned(page(), align).unwrap_err().errno(),
            Errno::INVAL
        );
    }
    for align in [1, page(), 2 << 20, 1 << 30, 1 << 40] {
        let reservation = Reservation::aligned(3 * page(), align).unwrap();
        assert!(reservation.addr().is_multiple_of(align));
    }
}

#[test]
fn the_place_can_be_named() {
    let first = Reservation::new(16 * page()).unwrap();
    let addr = first.addr();
    let error = Map::bytes(page()).at(addr).reserve().unwrap_err();
    assert_eq!(error.errno(), Errno::EXIST);
    first.unmap().unwrap();
    let second = Map::bytes(page()).near(1 << 40).reserve().unwrap();
    assert_eq!(second.addr(), 1 << 40);
    let third = Map::bytes(page()).at((1 << 40) + page()).reserve().unwrap();
    assert_eq!(second.join(third).unwrap().len(), 2 * page());
    let low = Map::bytes(16 * page()).below_2gib().reserve().unwrap();
    assert!(low.addr() + low.len() <= 1 << 31);
    let low = low.fill(perms::ReadWrite).unwrap().decommit().unwrap();
    assert!(low.addr() + low.len() <= 1 << 31);
    for (builder, what) in [
        (Map::bytes(page()).locked(), "no pages yet"),
        (Map::bytes(page()).stack(), "no pages yet"),
        (Map::bytes(page()).dont_fork(), "no pages yet"),
        (Map::bytes(page()).populate(), "leave out `.populate()`"),
        (Map::bytes(page()).at(1), "modulo the page size"),
        (Map::bytes(page()).at(0), "page 0"),
    ] {
        let error = builder.reserve().unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn nothing_is_reserved_where_the_stack_may_grow() {
    let on_stack = 0;
    let here = (&raw const on_stack).addr();
    let stack = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = stack
        .lines()
        .find(|line| line.ends_with("[stack]"))
        .expect("a stack");
    let start = usize::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    assert_ne!(here, 0);
    let below = start - (3 << 20);
    let error = Map::bytes(page()).at(below).reserve().unwrap_err();
    assert_eq!(error.errno(), Errno::EXIST);
    let near = Map::bytes(page()).near(below).reserve().unwrap();
    assert_ne!(near.addr(), below);
}

#[test]
fn files_and_memory_are_placed_changed_and_taken_away() {
    let file = disk_file(4 * page());
    let source = Source::of(&file).unwrap();
    let reservation = Reservation::new(16 * page()).unwrap();
    let at = |index: usize| Vma::at(reservation.addr() + index * page()).unwrap();

    reservation
        .place(pages(2, 4), &source, page() as u64, Shared, READ)
        .unwrap();
    assert_eq!(
        read_page(&reservation, 2).unwrap(),
        patterned(page(), page())
    );
    assert_eq!(
        read_page(&reservation, 3).unwrap(),
        patterned(2 * page(), page())
    );
    assert_eq!((&*at(2).perms, at(2).offset), ("r--s", page() as u64));
    assert_eq!(
        reservation
            .view(pages(2, 3))
            .unwrap()
            .write_at(0, b"x")
            .unwrap_err()
            .errno(),
        Errno::FAULT
    );

    // Over part of it, private memory of a file; then memory of no file over both.
    reservation
        .place(pages(3, 5), &source, 0, Private, BOTH)
        .unwrap();
    reservation
        .view(pages(3, 5))
        .unwrap()
        .write_at(5, b"hello")
        .unwrap();
    assert_eq!(
        read_page(&reservation, 3).unwrap()[4..11],
        [pattern(4), b'h', b'e', b'l', b'l', b'o', pattern(10)]
    );
    let mut bytes = vec![0; page()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, patterned(0, page()), "what is private stays so");
    let zeros = Source::anonymous();
    assert!(zeros.is_empty());
    reservation
        .place(pages(2, 5), &zeros, 0, Private, BOTH)
        .unwrap();
    for index in 2..5 {
        assert_eq!(read_page(&reservation, index).unwrap(), vec![0; page()]);
    }
    reservation
        .place(pages(0, 1), &zeros, page() as u64, Shared, BOTH)
        .unwrap();
    assert_eq!(&*at(0).perms, "rw-s");

    reservation.protect(pages(2, 3), READ).unwrap();
    assert!(
        reservation
            .view(pages(2, 3))
            .unwrap()
            .write_at(0, b"x")
            .is_err()
    );
    reservation.protect(pages(8, 10), BOTH).unwrap();
    reservation
        .view(pages(9, 10))
        .unwrap()
        .write_at(0, b"x")
        .unwrap();
    reservation.decommit(pages(0, 16)).unwrap();
    let vma = at(7);
    assert!(vma.start <= reservation.addr() && vma.end >= reservation.addr() + 16 * page());
    assert_eq!(&*vma.perms, "---p");
    // What was committed comes back as zeros.
    reservation.protect(.., BOTH).unwrap();
    assert_eq!(read_page(&reservation, 9).unwrap(), vec![0; page()]);
}

#[test]
fn what_is_written_to_a_shared_file_is_in_the_file() {
    let file = memory_file(2 * page());
    let reservation = Reservation::new(4 * page()).unwrap();
    let source = Source::of(&file).unwrap();
    reservation
        .place(pages(1, 3), &source, 0, Shared, BOTH)
        .unwrap();
    let view = reservation.view(page() + 100..).unwrap();
    view.write_at(3, b"hello").unwrap();
    let mut bytes = [0; 5];
    file.read_exact_at(&mut bytes, 103).unwrap();
    assert_eq!(&bytes, b"hello");
    file.set_len(0).unwrap();
    assert_eq!(
        view.read_at(0, &mut bytes).unwrap_err().errno(),
        Errno::FAULT
    );
    file.set_len(2 * page() as u64).unwrap();
    view.read_at(3, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 5]);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let file = disk_file(page());
    let source = Source::of(&file).unwrap();
    let reservation = Reservation::new(4 * page()).unwrap();
    reservation
        .place(pages(0, 4), &Source::anonymous(), 0, Private, BOTH)
        .unwrap();
    reservation
        .view(..)
        .unwrap()
        .write_at(0, &vec![7; 4 * page()])
        .unwrap();
    let end = reservation.len();
    #[allow(clippy::reversed_empty_ranges, reason = "one of the things to refuse")]
    for range in [
        0..end + 1,
        0..end + page(),
        end..end + page(),
        page()..0,
        0..usize::MAX,
        usize::MAX - page()..usize::MAX,
        1..page(),
        0..1,
    ] {
        for error in [
            reservation
                .place(range.clone(), &source, 0, Private, READ)
                .unwrap_err(),
            reservation.protect(range.clone(), NONE).unwrap_err(),
            reservation.decommit(range.clone()).unwrap_err(),
            reservation.guard(range.clone()).unwrap_err(),
        ] {
            assert_eq!(error.errno(), Errno::INVAL, "{range:?}: {error}");
        }
    }
    assert_eq!(
        reservation.view(0..end + 1).unwrap_err().errno(),
        Errno::INVAL
    );
    for (offset, errno) in [
        (1, Errno::INVAL),
        (u64::MAX, Errno::INVAL),
        (i64::MAX as u64 + 1, Errno::OVERFLOW),
        (u64::MAX - page() as u64 + 1, Errno::OVERFLOW),
    ] {
        let error = reservation
            .place(pages(0, 1), &source, offset, Private, READ)
            .unwrap_err();
        assert_eq!(error.errno(), errno, "{offset:#x}: {error}");
    }
    let odd = ProtFlags::from_bits_retain(0x40);
    assert_eq!(
        reservation
            .place(pages(0, 1), &source, 0, Private, odd)
            .unwrap_err()
            .errno(),
        Errno::INVAL
    );
    assert_eq!(
        reservation.protect(pages(0, 1), odd).unwrap_err().errno(),
        Errno::INVAL
    );
    let read_only = std::fs::File::open("/proc/self/exe").unwrap();
    let read_only = Source::of(&read_only).unwrap();
    let error = reservation
        .place(pages(0, 1), &read_only, 0, Shared, BOTH)
        .unwrap_err();
    assert_eq!((error.errno(), error.operation()), (Errno::ACCESS, "mmap"));
    for index in 0..4 {
        assert_eq!(read_page(&reservation, index).unwrap(), vec![7; page()]);
    }
    // Empty ranges change nothing, wherever they are.
    for at in [0, 1, end] {
        reservation
            .place(at..at, &source, 0, Private, READ)
            .unwrap();
        reservation.protect(at..at, NONE).unwrap();
        reservation.decommit(at..at).unwrap();
        reservation.guard(at..at).unwrap();
    }
    assert_eq!(read_page(&reservation, 0).unwrap(), vec![7; page()]);
}

#[test]
fn windows_are_checked() {
    let reservation = Reservation::new(4 * page()).unwrap();
    reservation.protect(pages(1, 3), BOTH).unwrap();
    let view = reservation.view(page() - 10..2 * page()).unwrap();
    assert_eq!(
        (view.len(), view.addr()),
        (page() + 10, reservation.addr() + page() - 10)
    );
    assert!(!view.is_empty() && format!("{view:?}").contains("Window"));
    let part = view.sub(10..20).unwrap();
    part.write_at(0, b"0123456789").unwrap();
    for (offset, len) in [
        (0, 11),
        (10, 1),
        (11, 0),
        (usize::MAX, 1),
        (1, usize::MAX >> 40),
    ] {
        let fault = part.read_at(offset, &mut vec![0; len]).unwrap_err();
        assert_eq!((fault.errno(), fault.copied()), (Errno::INVAL, 0));
        assert_eq!(
            part.write_at(offset, &vec![0; len]).unwrap_err().errno(),
            Errno::INVAL
        );
    }
    assert!(view.sub(0..view.len() + 1).is_err());
    let mut bytes = [0; 20];
    assert_eq!(part.copy_to(&mut bytes).unwrap(), 10);
    assert_eq!(&bytes[..10], b"0123456789");
    // The first bytes lie where nothing is, the last ones as well.
    assert_eq!(view.read_at(5, &mut bytes).unwrap_err().copied(), 0);
    let view = reservation.view(2 * page()..).unwrap();
    let fault = view.write_at(page() - 4, &bytes).unwrap_err();
    assert_eq!(
        (fault.errno(), fault.copied(), fault.offset()),
        (Errno::FAULT, 4, page())
    );
}

#[test]
fn long_copies_go_in_parts_and_count_exactly() {
    let len = (3 << 20) + 5 * page();
    let reservation = Reservation::new(len + page()).unwrap();
    reservation.protect(0..len, BOTH).unwrap();
    let view = reservation.view(..).unwrap();
    let bytes = patterned(0, len);
    view.write_at(0, &bytes).unwrap();
    let mut read = vec![0; len + page()];
    let fault = view.read_at(0, &mut read).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, len));
    assert_eq!(read[..len], bytes);
}

#[test]
fn guards_fault_until_they_are_taken_away() {
    let reservation = Reservation::new(8 << 20).unwrap();
    reservation.protect(.., BOTH).unwrap();
    reservation
        .view(..)
        .unwrap()
        .write_at(0, &[7; 100])
        .unwrap();
    let large = 4 << 20;
    for range in [pages(0, 1), large..8 << 20] {
        reservation.guard(range.clone()).unwrap();
        let view = reservation.view(range.clone()).unwrap();
        assert_eq!(view.write_at(0, b"x").unwrap_err().errno(), Errno::FAULT);
        assert_eq!(
            view.read_at(range.len() - 1, &mut [0]).unwrap_err().errno(),
            Errno::FAULT
        );
    }
    reservation.decommit(pages(0, 1)).unwrap();
    reservation.protect(pages(0, 1), BOTH).unwrap();
    assert_eq!(read_page(&reservation, 0).unwrap(), vec![0; page()]);
    reservation
        .place(large..8 << 20, &Source::anonymous(), 0, Private, BOTH)
        .unwrap();
    reservation
        .view(large..)
        .unwrap()
        .write_at(0, b"x")
        .unwrap();
    // In a file as well.
    let file = disk_file(2 * page());
    reservation
        .place(pages(0, 2), &Source::of(&file).unwrap(), 0, Shared, BOTH)
        .unwrap();
    reservation.guard(pages(1, 2)).unwrap();
    assert_eq!(read_page(&reservation, 0).unwrap(), patterned(0, page()));
    assert_eq!(read_page(&reservation, 1), Err(Errno::FAULT));
    let mut bytes = vec![0; page()];
    file.read_exact_at(&mut bytes, page() as u64).unwrap();
    assert_eq!(bytes, patterned(page(), page()), "the file is untouched");
}

/// A device whose pages are memory.
fn zero() -> std::fs::File {
    std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/zero")
        .unwrap()
}

#[test]
fn devices_are_placed_directly_and_written_by_those_who_know() {
    let zero = zero();
    let source = Source::device(&zero).unwrap();
    let reservation = Reservation::new(8 * page()).unwrap();
    reservation.protect(pages(4, 8), BOTH).unwrap();
    let view = reservation.view(..).unwrap();
    view.write_at(5 * page(), b"before").unwrap();
    reservation
        .place_in_place(pages(0, 2), &source, 0, Private, BOTH)
        .unwrap();
    assert_eq!(read_page(&reservation, 1).unwrap(), vec![0; page()]);
    for at in [0, 5 * page()] {
        let fault = view.write_at(at, b"after").unwrap_err();
        assert_eq!(fault.errno(), Errno::ACCESS);
        assert!(fault.to_string().contains("write_device_at"), "{fault}");
    }
    crate::raw::write_window(&view, 3, b"known").unwrap();
    assert_eq!(read_page(&reservation, 0).unwrap()[3..8], *b"known");
    assert_eq!(read_page(&reservation, 5).unwrap()[..6], *b"before");
    assert!(crate::raw::write_window(&view, 8 * page() - 1, b"xx").is_err());
    // Pieces remember it, also together.
    let mut reservation = reservation;
    let piece = reservation.split_to(4 * page()).unwrap();
    assert!(reservation.view(..).unwrap().write_at(0, b"x").is_err());
    let reservation = piece.join(reservation).unwrap();
    assert!(
        reservation
            .view(..)
            .unwrap()
            .write_at(5 * page(), b"x")
            .is_err()
    );
    // A map made of it is new memory.
    let mut map = reservation.fill(perms::ReadWrite).unwrap();
    assert!(map.iter().all(|&byte| byte == 0));
    map.fill(1);
}

#[test]
fn a_device_that_refuses_costs_what_was_there_and_no_more() {
    let reservation = Reservation::new(4 * page()).unwrap();
    reservation
        .place(.., &Source::anonymous(), 0, Private, BOTH)
        .unwrap();
    reservation
        .view(..)
        .unwrap()
        .write_at(0, &vec![7; 4 * page()])
        .unwrap();
    // A socket is refused after the kernel has unmapped what was there, a null device before.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let timer = crate::raw::timer();
    for source in [
        Source::device(&socket).unwrap(),
        Source::device(&timer).unwrap(),
    ] {
        let error = reservation
            .place_in_place(pages(1, 3), &source, 0, Shared, BOTH)
            .unwrap_err();
        assert!(
            error.to_string().contains("it is reserved again"),
            "{error}"
        );
        assert_eq!(read_page(&reservation, 1), Err(Errno::FAULT));
        assert_eq!(read_page(&reservation, 2), Err(Errno::FAULT));
        assert_eq!(read_page(&reservation, 0).unwrap(), vec![7; page()]);
        assert_eq!(read_page(&reservation, 3).unwrap(), vec![7; page()]);
        assert_eq!(Vma::at(reservation.addr() + page()).unwrap().perms, "---p");
    }
    reservation
        .place(pages(1, 3), &Source::anonymous(), 0, Private, BOTH)
        .unwrap();
    assert_eq!(read_page(&reservation, 1).unwrap(), vec![0; page()]);
    let source = Source::device(&socket).unwrap();
    for (range, offset) in [(0..1, 0), (0..page(), 1), (pages(3, 5), 0)] {
        let error = reservation
            .place_in_place(range, &source, offset, Shared, READ)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
    }
    reservation
        .place_in_place(0..0, &source, 0, Shared, READ)
        .unwrap();
    assert_eq!(read_page(&reservation, 0).unwrap(), vec![7; page()]);
}

#[test]
fn pieces_become_maps_and_reservations_again() {
    let mut all = Reservation::new(8 * page()).unwrap();
    let addr = all.addr();
    for n in [1, 9 * page(), usize::MAX] {
        assert_eq!(all.split_to(n).unwrap_err().errno(), Errno::INVAL);
    }
    let none = all.split_to(0).unwrap();
    assert!(none.is_empty());
    let first = all.split_to(2 * page()).unwrap();
    let second = all.split_to(2 * page()).unwrap();
    assert_eq!(
        (first.addr(), second.addr(), all.addr()),
        (addr, addr + 2 * page(), addr + 4 * page())
    );
    let mut map = second.fill(perms::ReadWrite).unwrap();
    assert_eq!((map.addr(), map.len()), (addr + 2 * page(), 2 * page()));
    map.fill(7);
    let error = all.join(first).unwrap_err();
    let (all, first) = error.into_map().unwrap();
    let file = disk_file(2 * page());
    let map = map
        .remap()
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    let second = map.decommit().unwrap();
    assert_eq!(
        (second.addr(), second.len()),
        (addr + 2 * page(), 2 * page())
    );
    let all = first
        .join(second)
        .unwrap()
        .join(all)
        .unwrap()
        .join(none)
        .unwrap();
    assert_eq!((all.addr(), all.len()), (addr, 8 * page()));
    let map = all.fill(perms::Read).unwrap();
    assert!(map.iter().all(|&byte| byte == 0));
    let all = map.decommit().unwrap();
    assert_eq!(Vma::at(addr).unwrap().perms, "---p");
    let error = all
        .fill(perms::Unknown(ProtFlags::from_bits_retain(0x40)))
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert_eq!(error.into_map().unwrap().len(), 8 * page());
    assert!(
        Reservation::new(0)
            .unwrap()
            .fill(perms::Read)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_used_reservation_is_filled_with_new_memory() {
    let reservation = Reservation::new(4 * page()).unwrap();
    let file = memory_file(page());
    reservation
        .place(pages(1, 2), &Source::of(&file).unwrap(), 0, Shared, BOTH)
        .unwrap();
    reservation.protect(pages(2, 3), BOTH).unwrap();
    reservation
        .view(..)
        .unwrap()
        .write_at(2 * page(), b"old")
        .unwrap();
    reservation.guard(pages(3, 4)).unwrap();
    let addr = reservation.addr();
    let mut map = reservation.fill(perms::ReadWrite).unwrap();
    assert_eq!(map.addr(), addr);
    assert!(map.iter().all(|&byte| byte == 0));
    map.fill(9);
    let mut bytes = vec![0; page()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, patterned(0, page()));
    let map = map.resize(2 * page()).unwrap();
    assert_eq!(map[2 * page() - 1], 9);
}

#[test]
fn maps_that_start_within_a_page_give_back_whole_pages() {
    let file = disk_file(3 * page());
    let map = Map::bytes(10)
        .from(&file, page() as u64 - 5)
        .with(perms::Read)
        .unwrap();
    let (addr, len) = map.pages();
    let reservation = map.decommit().unwrap();
    assert_eq!((reservation.addr(), reservation.len()), (addr, len));
    assert!(
        Map::bytes(0)
            .anonymously()
            .with(perms::Read)
            .unwrap()
            .decommit()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn reservations_go_to_other_threads() {
    fn holds<T: Send + Sync + 'static>() {}
    holds::<Reservation>();
    fn sends<T: Send + Sync>() {}
    sends::<mmarinus::Window<'_>>();
    let reservation = std::sync::Arc::new(Reservation::new(64 * page()).unwrap());
    let threads: Vec<_> = (0..4)
        .map(|thread: usize| {
            let reservation = reservation.clone();
            std::thread::spawn(move || {
                let zeros = Source::anonymous();
                for round in 0..50_usize {
                    let range = pages(16 * thread + round % 16, 16 * thread + round % 16 + 1);
                    reservation
                        .place(range.clone(), &zeros, 0, Private, BOTH)
                        .unwrap();
                    let view = reservation.view(range.clone()).unwrap();
                    view.write_at(0, &[thread as u8; 8]).unwrap();
                    let mut bytes = [9; 8];
                    view.read_at(0, &mut bytes).unwrap();
                    assert_eq!(bytes, [thread as u8; 8]);
                    reservation.decommit(range).unwrap();
                    assert!(view.read_at(0, &mut bytes).is_err());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(Vma::at(reservation.addr()).unwrap().perms, "---p");
}

/// What a page of the model holds: nothing, or bytes and whether they may be written.
type Page = Option<(Vec<u8>, bool)>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// After any steps every page is what a plain list of pages says.
    #[test]
    fn it_is_a_list_of_pages(steps in prop::collection::vec((0..8_u8, 0..12_usize, 0..12_usize, any::<u8>()), 1..40)) {
        let file = disk_file(12 * page());
        let source = Source::of(&file).unwrap();
        let mut model: Vec<Page> = vec![None; 12];
        let mut reservation = Reservation::new(12 * page()).unwrap();
        for (step, one, other, value) in steps {
            let (start, end) = (one.min(other), one.max(other) + 1);
            let range = pages(start, end);
            match step {
                0 | 1 => {
                    let writable = step == 0;
                    let perms = if writable { BOTH } else { READ };
                    reservation.place(range, &source, (start * page()) as u64, Private, perms).unwrap();
                    for (index, held) in model.iter_mut().enumerate().take(end).skip(start) {
                        *held = Some((patterned(index * page(), page()), writable));
                    }
                }
                2 => {
                    reservation.place(range, &Source::anonymous(), 0, Private, BOTH).unwrap();
                    model[start..end].fill(Some((vec![0; page()], true)));
                }
                3 => {
                    reservation.decommit(range).unwrap();
                    model[start..end].fill(None);
                }
                4 => {
                    // Where nothing is placed, memory comes to be.
                    if model[start..end].iter().any(Option::is_none) {
                        reservation.decommit(range.clone()).unwrap();
                        reservation.protect(range, BOTH).unwrap();
                        model[start..end].fill(Some((vec![0; page()], true)));
                    } else {
                        reservation.protect(range, READ).unwrap();
                        for held in model[start..end].iter_mut().flatten() {
                            held.1 = false;
                        }
                    }
                }
                5 => {
                    let fits = model[start..end].iter().all(|held| held.as_ref().is_some_and(|held| held.1));
                    let written = reservation.view(range).unwrap().write_at(0, &vec![value; (end - start) * page()]);
                    prop_assert_eq!(written.is_ok(), fits);
                    let mut done = written.map_or_else(|fault| fault.copied(), |()| (end - start) * page());
                    for held in model[start..end].iter_mut().flatten() {
                        let now = done.min(page());
                        held.0[..now].fill(value);
                        done -= now;
                    }
                }
                6 => {
                    let head = reservation.split_to(start * page()).unwrap();
                    reservation = head.join(reservation).unwrap();
                }
                _ => {
                    let mut rest = reservation;
                    let head = rest.split_to(start * page()).unwrap();
                    let piece = rest.split_to((end - start) * page()).unwrap();
                    let mut map = piece.fill(perms::ReadWrite).unwrap();
                    prop_assert!(map.iter().all(|&byte| byte == 0));
                    map.fill(value);
                    let piece = map.decommit().unwrap();
                    reservation = head.join(piece).unwrap().join(rest).unwrap();
                    model[start..end].fill(None);
                }
            }
            for (index, held) in model.iter().enumerate() {
                let bytes = held.as_ref().map(|held| held.0.clone());
                prop_assert_eq!(read_page(&reservation, index).ok(), bytes, "page {}", index);
            }
        }
    }
}
