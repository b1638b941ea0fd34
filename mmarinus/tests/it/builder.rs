//! What a builder's words do: sizes, places, offsets, kinds and flags.

use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::perms::Unknown;
use mmarinus::{Errno, Map, Private, ProtFlags, Shared, perms};
use rustix::process::Resource;

use crate::common::{
    Vma, anonymous, bytes_of, disk_file, is_free, limit, memory_file, older_than, open_descriptors,
    page, pattern, patterned, without_privileges,
};
use crate::testing::{features, in_child, skip};

/// Lengths that no map can have.
fn too_long() -> [usize; 6] {
    let half = isize::MAX as usize;
    [
        usize::MAX,
        usize::MAX - 4095,
        half + 1,
        half,
        half - 4095,
        half & !(page() - 1),
    ]
}

#[test]
fn anonymous_maps_are_zeros_of_the_asked_length() {
    for size in [1, 2, page() - 1, page(), page() + 1, 3 * page()] {
        let map = anonymous(size);
        assert_eq!((map.len(), map.size(), map.is_empty()), (size, size, false));
        assert_eq!(map.addr() % page(), 0);
        assert_eq!(map.as_ptr().addr(), map.addr());
        assert_eq!(map.as_mut_ptr().addr(), map.addr());
        assert_eq!(map.page_size(), page());
        let whole = size.next_multiple_of(page());
        assert_eq!(map.pages(), (map.addr(), whole));
        assert!(map.iter().all(|&byte| byte == 0));
        let vma = Vma::of(&map);
        assert!(vma.start <= map.addr() && map.addr() + whole <= vma.end);
        assert_eq!(vma.perms, "rw-p");
    }
}

#[test]
fn an_empty_map_owns_nothing() {
    let status = in_child!({
        let before = crate::common::mappings();
        let file = disk_file(10);
        let maps = [
            anonymous(0),
            Map::bytes(0)
                .near(1 << 30)
                .anonymously()
                .with(perms::ReadWrite)
                .unwrap(),
            Map::bytes(0)
                .at(0)
                .anonymously()
                .with(perms::ReadWrite)
                .unwrap(),
            Map::bytes(0)
                .populate()
                .locked()
                .anonymously()
                .with(perms::ReadWrite)
                .unwrap(),
        ];
        for map in &maps {
            assert_eq!((map.len(), map.is_empty()), (0, true));
            assert_eq!(map.addr() % page(), 0);
            assert_ne!(map.addr(), 0);
            assert_eq!(map.pages().1, 0);
            assert_eq!(map.as_slice(), b"");
            map.read_at(0, &mut []).unwrap();
            assert_eq!(map.read_at(0, &mut [0]).unwrap_err().errno(), Errno::INVAL);
        }
        let of_file = Map::bytes(0).from(&file, 5).with(perms::Read).unwrap();
        assert_eq!(of_file.len(), 0);
        of_file.view(..).unwrap();
        assert_eq!(crate::common::mappings(), before, "no mapping was made");
    });
    assert!(status.success());
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let file = disk_file(10);
    let zero = File::open("/dev/zero").unwrap();
    for size in too_long() {
        let errors = [
            Map::bytes(size)
                .anywhere()
                .anonymously()
                .with(perms::Read)
                .unwrap_err(),
            Map::bytes(size)
                .near(1 << 40)
                .anonymously()
                .with(perms::None)
                .unwrap_err(),
            Map::bytes(size)
                .at(1 << 40)
                .anonymously()
                .with(perms::None)
                .unwrap_err(),
            Map::bytes(size)
                .anonymously()
                .with_kind(Shared)
                .with(perms::Read)
                .unwrap_err(),
            Map::bytes(size)
                .no_reserve()
                .anonymously()
                .with(perms::None)
                .unwrap_err(),
            Map::bytes(size)
                .from_device(&zero, 0)
                .with(perms::Read)
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.errno(), Errno::NOMEM, "{size:#x}: {error}");
            assert_eq!(error.operation(), "mmap");
        }
        for offset in [0, 1, 4095, 4096] {
            let error = Map::bytes(size)
                .from(&file, offset)
                .with(perms::Read)
                .unwrap_err();
            assert!(
                [Errno::NOMEM, Errno::OVERFLOW].contains(&error.errno()),
                "{size:#x} from {offset}: {error}"
            );
        }
    }
    let error = Map::bytes(usize::MAX)
        .anonymously()
        .with(perms::Read)
        .unwrap_err();
    assert!(error.to_string().contains("isize::MAX"), "{error}");
}

#[test]
fn a_hint_is_followed_where_it_is_free() {
    let status = in_child!({
        let hole = anonymous(4 * page());
        let addr = hole.addr();
        drop(hole);
        let map = Map::bytes(page())
            .near(addr)
            .anonymously()
            .with(perms::Read)
            .unwrap();
        assert_eq!(map.addr(), addr);
        // The first asked byte is near the hint: its page starts `head` bytes before.
        drop(map);
        let file = disk_file(3 * page());
        let offset = page() as u64 + 17;
        let map = Map::bytes(5)
            .near(addr + 17)
            .from(&file, offset)
            .with(perms::Read)
            .unwrap();
        assert_eq!(map.addr(), addr + 17);
        assert_eq!(bytes_of(&map), patterned(page() + 17, 5));
    });
    assert!(status.success());
}

#[test]
fn a_hint_never_replaces() {
    let mut taken = anonymous(2 * page());
    taken.fill(7);
    for hint in [taken.addr(), taken.addr() + 1, taken.addr() + page() - 1] {
        let map = Map::bytes(page())
            .near(hint)
            .anonymously()
            .with(perms::Read)
            .unwrap();
        assert!(map.addr() >= taken.addr() + 2 * page() || map.addr() + page() <= taken.addr());
        assert_eq!(map[0], 0);
    }
    assert!(taken.iter().all(|&byte| byte == 7));
}

#[test]
fn useless_hints_are_ignored() {
    for hint in [
        1,
        0x800,
        page(),
        usize::MAX,
        usize::MAX - 4095,
        1 << 62,
        isize::MAX as usize,
    ] {
        let map = Map::bytes(page())
            .near(hint)
            .anonymously()
            .with(perms::Read)
            .unwrap();
        assert_eq!(map.addr() % page(), 0, "hint {hint:#x}");
        assert_eq!(map[page() - 1], 0);
    }
}

#[test]
fn at_maps_exactly_there() {
    let status = in_child!({
        let hole = anonymous(8 * page());
        let addr = hole.addr();
        drop(hole);
        let first = Map::bytes(page())
            .at(addr)
            .anonymously()
            .with(perms::ReadWrite)
            .unwrap();
        let second = Map::bytes(1)
            .at(addr + page())
            .anonymously()
            .with_kind(Shared)
            .with(perms::Read)
            .unwrap();
        assert_eq!((first.addr(), second.addr()), (addr, addr + page()));
        // The byte that was asked for is at the address, so the file's offset has to agree with it.
        let file = disk_file(3 * page());
        let at = addr + 4 * page() + 100;
        let third = Map::bytes(page())
            .at(at)
            .from(&file, page() as u64 + 100)
            .with(perms::Read)
            .unwrap();
        assert_eq!(third.addr(), at);
        assert_eq!(third.pages(), (at - 100, 2 * page()));
        assert_eq!(bytes_of(&third), patterned(page() + 100, page()));
    });
    assert!(status.success());
}

#[test]
fn at_a_taken_place_fails_and_changes_nothing() {
    let mut taken = anonymous(2 * page());
    taken.fill(7);
    let file = disk_file(10);
    let addr = taken.addr();
    let errors = [
        Map::bytes(page())
            .at(addr)
            .anonymously()
            .with(perms::Read)
            .unwrap_err(),
        Map::bytes(1)
            .at(addr + page())
            .anonymously()
            .with(perms::Read)
            .unwrap_err(),
        // Only the last page is taken.
        Map::bytes(4 * page())
            .at(addr - 3 * page())
            .anonymously()
            .with(perms::Read)
            .unwrap_err(),
        Map::bytes(1)
            .at(addr)
            .anonymously()
            .with_kind(Shared)
            .with(perms::Read)
            .unwrap_err(),
        Map::bytes(1)
            .at(addr)
            .from(&file, 0)
            .with(perms::Read)
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.errno(), Errno::EXIST, "{error}");
        assert!(error.to_string().contains("near"), "{error}");
    }
    assert!(taken.iter().all(|&byte| byte == 7));
}

#[test]
fn at_an_address_that_does_not_agree_is_refused() {
    let file = disk_file(10);
    for off in [1, 7, page() - 1] {
        let error = Map::bytes(1)
            .at((1 << 30) + off)
            .anonymously()
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{error}");
        assert!(
            error.to_string().contains("modulo the page size"),
            "{error}"
        );
        let error = Map::bytes(1)
            .at(1 << 30)
            .from(&file, off as u64)
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{error}");
    }
}

#[test]
fn page_zero_is_refused() {
    let file = disk_file(10);
    let error = Map::bytes(1)
        .at(0)
        .anonymously()
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.to_string().contains("page 0"), "{error}");
    // The byte would not be at 0, but its page would.
    let error = Map::bytes(1)
        .at(5)
        .from(&file, 5)
        .with(perms::Read)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.to_string().contains("page 0"), "{error}");
}

#[test]
fn at_the_end_of_the_addresses_is_an_error() {
    let last = usize::MAX & !(page() - 1);
    for addr in [last, last - page(), isize::MIN as usize] {
        for size in [1, page(), 2 * page(), 1 << 20] {
            let error = Map::bytes(size)
                .at(addr)
                .anonymously()
                .with(perms::Read)
                .unwrap_err();
            assert!(
                [Errno::EXIST, Errno::NOMEM, Errno::INVAL].contains(&error.errno()),
                "{error}"
            );
        }
    }
}

#[test]
fn at_a_low_address_is_taken() {
    let floor = std::fs::read_to_string("/proc/sys/vm/mmap_min_addr").unwrap();
    let floor: usize = floor.trim().parse().unwrap();
    if floor <= page() {
        skip!("vm.mmap_min_addr is {floor}: nothing above page 0 is forbidden");
    }
    let error = without_privileges(|| {
        Map::bytes(1)
            .at(page())
            .anonymously()
            .with(perms::Read)
            .unwrap_err()
    });
    assert_eq!(error.errno(), Errno::EXIST);
}

#[test]
fn files_are_mapped_from_any_byte() {
    for file in [disk_file(5 * page()), memory_file(5 * page())] {
        for offset in [0, 1, 100, page() - 1, page(), page() + 1, 3 * page() - 2] {
            for size in [1, 2, page() - 1, page(), page() + 1, 2 * page()] {
                let map = Map::bytes(size)
                    .anywhere()
                    .from(&file, offset as u64)
                    .with(perms::Read)
                    .unwrap();
                assert_eq!(map.len(), size);
                assert_eq!(map.addr() % page(), offset % page());
                let (start, len) = map.pages();
                assert_eq!(start, map.addr() - offset % page());
                assert_eq!(len, (offset % page() + size).next_multiple_of(page()));
                assert_eq!(
                    bytes_of(&map),
                    patterned(offset, size),
                    "{size} bytes from {offset}"
                );
            }
        }
    }
}

#[test]
fn a_map_may_reach_past_the_end_of_its_file() {
    let file = disk_file(page() + 10);
    let map = Map::bytes(3 * page())
        .from(&file, 0)
        .with(perms::Read)
        .unwrap();
    let mut bytes = vec![0; 3 * page()];
    let fault = map.read_at(0, &mut bytes).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 2 * page()));
    assert_eq!(bytes[..page() + 10], patterned(0, page() + 10));
    assert!(
        bytes[page() + 10..2 * page()].iter().all(|&byte| byte == 0),
        "the rest of the last page is zeros"
    );

    for offset in [
        2 * page() as u64,
        1 << 40,
        i64::MAX as u64 - 2 * page() as u64,
    ] {
        let map = Map::bytes(1).from(&file, offset).with(perms::Read).unwrap();
        assert_eq!(map.read_at(0, &mut [0]).unwrap_err().errno(), Errno::FAULT);
    }
    // Once the file has grown, the bytes are there.
    let map = Map::bytes(1)
        .from(&file, 4 * page() as u64)
        .with(perms::Read)
        .unwrap();
    file.write_all_at(b"x", 4 * page() as u64).unwrap();
    assert_eq!(bytes_of(&map), b"x");
}

#[test]
fn offsets_past_what_files_can_have_are_refused() {
    let file = disk_file(10);
    for offset in [
        u64::MAX,
        u64::MAX - 4095,
        1 << 63,
        i64::MAX as u64,
        i64::MAX as u64 - 1,
    ] {
        for size in [1, page(), 1 << 20] {
            let error = Map::bytes(size)
                .from(&file, offset)
                .with(perms::Read)
                .unwrap_err();
            assert_eq!(
                error.errno(),
                Errno::OVERFLOW,
                "{size} from {offset:#x}: {error}"
            );
            let error = Map::bytes(size)
                .from_device(&file, offset)
                .with_kind(Shared)
                .with(perms::Read)
                .unwrap_err();
            assert_eq!(
                error.errno(),
                Errno::OVERFLOW,
                "{size} from {offset:#x}: {error}"
            );
        }
    }
    // No byte is past the end.
    let map = Map::bytes(0)
        .from(&file, u64::MAX)
        .with(perms::Read)
        .unwrap();
    assert!(map.is_empty());
}

#[test]
fn the_last_word_about_the_source_counts() {
    let file = disk_file(2 * page());
    let map = Map::bytes(page())
        .from(&file, 33)
        .anonymously()
        .with(perms::Read)
        .unwrap();
    assert_eq!(map.addr() % page(), 0, "the offset belonged to the file");
    assert!(map.iter().all(|&byte| byte == 0));
    let map = Map::bytes(page())
        .anonymously()
        .from(&file, 33)
        .with(perms::Read)
        .unwrap();
    assert_eq!(bytes_of(&map), patterned(33, page()));
}

#[test]
fn kinds_are_what_the_kernel_sees() {
    let file = disk_file(page());
    let private = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Private)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(Vma::of(&private).perms, "rw-p");
    let shared = Map::bytes(page())
        .with_kind(Shared)
        .from(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(Vma::of(&shared).perms, "rw-s");
    // The last word counts.
    let map = Map::bytes(page())
        .with_kind(Shared)
        .anonymously()
        .with_kind(Private)
        .with(perms::Read)
        .unwrap();
    assert_eq!(Vma::of(&map).perms, "r--p");
}

#[test]
fn writes_go_where_the_kind_says() {
    let file = disk_file(page());
    let mut private = Map::bytes(page())
        .from(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    let mut shared = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    private.write_at(5, b"private").unwrap();
    shared.write_at(50, b"shared").unwrap();
    let mut bytes = vec![0; page()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes[5..12], patterned(5, 7));
    assert_eq!(&bytes[50..56], b"shared");
    assert_eq!(&bytes_of(&private)[5..12], b"private");
}

#[test]
fn every_permission_reaches_the_kernel() {
    fn assert_perms<P: perms::Permissions>(perms: P, text: &str) {
        let file = disk_file(page());
        let map = Map::bytes(page()).anonymously().with(perms).unwrap();
        assert_eq!(&Vma::of(&map).perms[..3], text);
        assert_eq!(map.permissions(), perms.flags());
        let map = Map::bytes(page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms)
            .unwrap();
        assert_eq!(Vma::of(&map).perms, format!("{text}s"));
    }
    assert_perms(perms::None, "---");
    assert_perms(perms::Read, "r--");
    assert_perms(perms::Write, "-w-");
    assert_perms(perms::Execute, "--x");
    assert_perms(perms::ReadWrite, "rw-");
    assert_perms(perms::ReadExecute, "r-x");
    assert_perms(perms::WriteExecute, "-wx");
    assert_perms(perms::ReadWriteExecute, "rwx");
    assert_perms(Unknown(ProtFlags::empty()), "---");
    assert_perms(Unknown(ProtFlags::READ | ProtFlags::EXEC), "r-x");
}

#[test]
fn unknown_bits_of_permissions_are_refused() {
    // PROT_SEM, PROT_GROWSDOWN, PROT_GROWSUP and bits that nobody has.
    for bits in [0x8, 0x40, 0x0100_0000, 0x0200_0000, 1 << 31, u32::MAX] {
        let prot = ProtFlags::from_bits_retain(bits | 1);
        let error = Map::bytes(1).anonymously().with(Unknown(prot)).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{bits:#x}");
        assert!(
            error.to_string().contains("READ, WRITE and EXEC"),
            "{error}"
        );
    }
}

#[test]
fn populate_brings_every_page_in() {
    let len = 64 * page();
    let resident = |addr: usize| Vma::at(addr).map_or(0, |vma| vma.bytes("Rss"));
    let status = in_child!({
        // No transparent huge pages in the way, and nothing adjacent that the kernel could merge with it.
        let lazy = Map::bytes(len)
            .anonymously()
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        assert_eq!(resident(lazy.addr()), 0);
        let shared = Map::bytes(len)
            .anonymously()
            .with_kind(Shared)
            .populate()
            .with(perms::ReadWrite)
            .unwrap();
        assert_eq!(resident(shared.addr()), len);
        let private = Map::bytes(len)
            .anonymously()
            .populate()
            .with(perms::ReadWrite)
            .unwrap();
        assert!(resident(private.addr()) >= len);
        let file = disk_file(len);
        let read = Map::bytes(len)
            .from(&file, 0)
            .populate()
            .with(perms::Read)
            .unwrap();
        assert_eq!(resident(read.addr()), len);
        let written = Map::bytes(len)
            .from(&file, 0)
            .with_kind(Shared)
            .populate()
            .with(perms::ReadWrite)
            .unwrap();
        assert_eq!(resident(written.addr()), len);
        let write = Map::bytes(len)
            .from(&file, 0)
            .with_kind(Shared)
            .populate()
            .with(perms::Write);
        match write {
            Ok(write) => assert_eq!(resident(write.addr()), len),
            Err(error) => {
                assert!(!features::populate().is_there, "{error}");
                assert_eq!(error.errno(), Errno::OPNOTSUPP);
            }
        }
        assert_eq!(
            bytes_of(&read),
            patterned(0, len),
            "populating changes no byte"
        );
    });
    assert!(status.success());
}

#[test]
fn populate_copies_what_is_private_and_writable() {
    if older_than(5, 14) {
        skip!("private pages are only populated by writing since Linux 5.14");
    }
    let file = disk_file(2 * page());
    let map = Map::bytes(2 * page())
        .from(&file, 0)
        .populate()
        .with(perms::ReadWrite)
        .unwrap();
    let lazy = Map::bytes(2 * page())
        .from(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    file.write_all_at(b"changed", 10).unwrap();
    assert_eq!(bytes_of(&map), patterned(0, 2 * page()));
    assert_eq!(&bytes_of(&lazy)[10..17], b"changed");
}

#[test]
fn populate_sees_pages_that_are_not_there() {
    let status = in_child!({
        let file = disk_file(page());
        let zero = File::open("/dev/zero").unwrap();
        let request = || Map::bytes(3 * page()).from(&file, 0).populate();
        let (mappings, open) = (crate::common::mappings(), open_descriptors());
        let errors = [
            request().with(perms::Read).unwrap_err(),
            request().with(perms::ReadWrite).unwrap_err(),
            request().with_kind(Shared).with(perms::Read).unwrap_err(),
            request()
                .with_kind(Shared)
                .with(perms::ReadWrite)
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.errno(), Errno::FAULT, "{error}");
            assert_eq!(error.operation(), "madvise");
            assert!(
                error.to_string().contains("file ends before the map"),
                "{error}"
            );
        }
        assert_eq!(
            (crate::common::mappings(), open_descriptors()),
            (mappings, open),
            "nothing is left behind"
        );
        let map = Map::bytes(3 * page())
            .from_device(&zero, 0)
            .populate()
            .with(perms::Read)
            .unwrap();
        assert_eq!(bytes_of(&map), vec![0; 3 * page()]);
    });
    assert!(status.success());
}

#[test]
fn populate_without_a_permission_is_refused() {
    let file = disk_file(page());
    let errors = [
        Map::bytes(1)
            .anonymously()
            .populate()
            .with(perms::None)
            .unwrap_err(),
        Map::bytes(1)
            .anonymously()
            .with_kind(Shared)
            .populate()
            .with(perms::Execute)
            .unwrap_err(),
        Map::bytes(1)
            .from(&file, 0)
            .populate()
            .with(perms::None)
            .unwrap_err(),
        Map::bytes(1)
            .from(&file, 0)
            .populate()
            .with(Unknown(ProtFlags::EXEC))
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.errno(), Errno::INVAL, "{error}");
        assert!(error.to_string().contains("populate"), "{error}");
    }
}

#[test]
fn locked_pages_are_locked() {
    let file = disk_file(4 * page());
    let map = Map::bytes(4 * page())
        .anonymously()
        .locked()
        .with(perms::ReadWrite)
        .unwrap();
    let vma = Vma::of(&map);
    assert!(vma.has("lo"));
    assert!(vma.bytes("Locked") >= 4 * page());
    let map = Map::bytes(4 * page())
        .from(&file, 0)
        .locked()
        .with(perms::Read)
        .unwrap();
    assert!(Vma::of(&map).has("lo"));
    assert!(!Vma::of(&anonymous(page())).has("lo"));
}

#[test]
fn locked_maps_meet_the_limit() {
    let status = in_child!({
        limit(Resource::Memlock, 4 * page() as u64);
        let (fits, passes) = without_privileges(|| {
            let request = |pages| {
                Map::bytes(pages * page())
                    .anonymously()
                    .locked()
                    .with(perms::Read)
            };
            (request(2).map(drop), request(64).map(drop))
        });
        fits.unwrap();
        let error = passes.unwrap_err();
        assert_eq!(error.errno(), Errno::AGAIN);
        assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}");

        limit(Resource::Memlock, 0);
        let error = without_privileges(|| {
            Map::bytes(1)
                .anonymously()
                .locked()
                .with(perms::Read)
                .unwrap_err()
        });
        assert_eq!(error.errno(), Errno::PERM);
        assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}");
    });
    assert!(status.success());
}

#[test]
fn no_reserve_reaches_the_kernel() {
    let file = disk_file(page());
    if std::fs::read_to_string("/proc/sys/vm/overcommit_memory")
        .unwrap()
        .trim()
        == "2"
    {
        skip!("the kernel ignores MAP_NORESERVE while vm.overcommit_memory is 2");
    }
    let map = Map::bytes(1 << 20)
        .anonymously()
        .no_reserve()
        .with(perms::ReadWrite)
        .unwrap();
    assert!(Vma::of(&map).has("nr"));
    let map = Map::bytes(page())
        .from(&file, 0)
        .no_reserve()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    assert!(Vma::of(&map).has("nr"));
}

#[test]
fn no_reserve_is_refused_where_it_could_fault() {
    for error in [
        Map::bytes(1)
            .anonymously()
            .no_reserve()
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap_err(),
        Map::bytes(1)
            .with_kind(Shared)
            .no_reserve()
            .anonymously()
            .with(perms::None)
            .unwrap_err(),
        Map::bytes(1)
            .no_reserve()
            .with_kind(Shared)
            .anonymously()
            .populate()
            .with(perms::Read)
            .unwrap_err(),
        Map::bytes(1)
            .from_source(&mmarinus::Source::anonymous(), 0)
            .no_reserve()
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap_err(),
    ] {
        assert_eq!(error.errno(), Errno::OPNOTSUPP);
        assert!(error.to_string().contains("SIGBUS"), "{error}");
    }
    // A source of zeros is memory of no file, and private memory needs no reservation.
    let zeros = Map::bytes(1)
        .from_source(&mmarinus::Source::anonymous(), 0)
        .no_reserve()
        .wipe_on_fork()
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(zeros[0], 0);
}

#[test]
fn stacks_get_no_transparent_huge_pages() {
    if older_than(6, 7) || !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        skip!("MAP_STACK says nothing before Linux 6.7, or without transparent huge pages");
    }
    let map = Map::bytes(1 << 20)
        .anonymously()
        .stack()
        .with(perms::ReadWrite)
        .unwrap();
    assert!(Vma::of(&map).has("nh"));
    assert!(
        !Vma::of(&map).has("gd"),
        "a stack of ours does not grow by itself"
    );
}

#[test]
fn words_come_in_any_order() {
    let file = disk_file(2 * page());
    let one = Map::bytes(page())
        .locked()
        .populate()
        .with_kind(Shared)
        .from(&file, 3)
        .with(perms::Read)
        .unwrap();
    let other = Map::bytes(page())
        .from(&file, 3)
        .with_kind(Shared)
        .populate()
        .locked()
        .with(perms::Read)
        .unwrap();
    for map in [one, other] {
        let vma = Vma::of(&map);
        assert!(vma.has("lo") && vma.perms == "r--s", "{vma:?}");
        assert_eq!(bytes_of(&map)[0], pattern(3));
    }
}

#[test]
fn limits_of_the_address_space_are_errors() {
    let status = in_child!({
        limit(Resource::As, 1 << 30);
        let request = || Map::bytes(2 << 30).anonymously();
        for error in [
            request().with(perms::None).unwrap_err(),
            request().with_kind(Shared).with(perms::Read).unwrap_err(),
            request().no_reserve().with(perms::Read).unwrap_err(),
        ] {
            assert_eq!(error.errno(), Errno::NOMEM);
            assert!(error.to_string().contains("RLIMIT_AS"), "{error}");
        }
        assert_eq!(anonymous(page())[0], 0);
    });
    assert!(status.success());
}

#[test]
fn maps_are_gone_when_they_are_dropped() {
    let status = in_child!({
        let file = disk_file(3 * page());
        let map = Map::bytes(2 * page())
            .from(&file, 100)
            .with(perms::Read)
            .unwrap();
        let (start, len) = map.pages();
        assert_eq!(len, 3 * page());
        assert!(!is_free(start, page()));
        drop(map);
        assert!(is_free(start, len));
    });
    assert!(status.success());
}
