//! The kernel's account of maps and pages: each way of asking is held against the others, and against what was done.

use core::ptr;
use core::time::Duration;
use std::fs::File;

use mmarinus_sys::{
    Advice, Errno, MapFlags, MprotectFlags, PageCategories, PageRegion, PagemapEntry, PagemapScan,
    PagemapScanFlags, ProcmapFlags, ProtFlags, Support, ThpMode, UffdFeatures, UffdRegisterMode,
    UffdWriteprotectMode, UserfaultfdFlags, madvise, mmap, mprotect, page_size, pagemap_read,
    pagemap_scan, procmap_query, procmap_query_named, uffdio_api, uffdio_register,
    uffdio_writeprotect, userfaultfd,
};

use crate::common::{Pages, RW, Vma, is_root, memfd, older_than, path_fd, sleeper};
use crate::testing::{in_child, needs, skip};

fn maps() -> File {
    File::open("/proc/self/maps").expect("maps")
}

fn pagemap() -> File {
    File::open("/proc/self/pagemap").expect("pagemap")
}

/// The addresses of some pages, as a scan takes them.
fn range(pages: &Pages) -> core::ops::Range<u64> {
    let start = pages.addr().addr() as u64;
    start..start + pages.len() as u64
}

/// Turns flags into the letters of the text.
fn letters(flags: ProcmapFlags) -> String {
    let letter = |flag, yes, no| if flags.contains(flag) { yes } else { no };
    [
        letter(ProcmapFlags::VMA_READABLE, 'r', '-'),
        letter(ProcmapFlags::VMA_WRITABLE, 'w', '-'),
        letter(ProcmapFlags::VMA_EXECUTABLE, 'x', '-'),
        letter(ProcmapFlags::VMA_SHARED, 's', 'p'),
    ]
    .iter()
    .collect()
}

#[test]
fn a_query_agrees_with_the_text() {
    needs!(procmap_query);
    // The kernel may join the first and the last page with maps of other tests; those between keep their borders.
    let pages = Pages::with(5, ProtFlags::empty(), MapFlags::PRIVATE);
    for (page, prot) in [
        (1, MprotectFlags::READ),
        (2, MprotectFlags::READ | MprotectFlags::WRITE),
        (3, MprotectFlags::READ | MprotectFlags::EXEC),
    ] {
        // SAFETY: the page is the test's own, and nobody borrows from it.
        unsafe { mprotect(pages.page(page), page_size(), prot) }.expect("permissions");
    }
    let shared = Pages::with(1, RW, MapFlags::SHARED);
    let all = (1..4).map(|page| pages.page(page));
    for addr in all.chain([shared.addr()]) {
        let vma = procmap_query(maps(), addr, ProcmapFlags::empty()).expect("a map");
        let text = Vma::at(addr).expect("a line");
        assert_eq!((vma.start, vma.end), (text.start as u64, text.end as u64));
        assert_eq!(letters(vma.flags), text.perms);
        assert_eq!(vma.page_size, page_size() as u64);
    }
    let vma = procmap_query(maps(), pages.page(1), ProcmapFlags::empty()).expect("a map");
    assert_eq!((vma.inode, vma.dev_major, vma.dev_minor), (0, 0, 0));
}

#[test]
fn queries_find_every_map_of_the_text() {
    needs!(procmap_query);
    // In a child, where no other test changes the maps.
    let status = in_child!({
        let _shared = Pages::with(2, RW, MapFlags::SHARED);
        let maps = maps();
        // Room for both accounts before either is made.
        let mut found = Vec::with_capacity(1000);
        let mut text = String::with_capacity(1 << 17);
        let mut name = [0; 4096];
        let mut addr = 0;
        let next = ProcmapFlags::COVERING_OR_NEXT_VMA;
        while let Ok((vma, name, _)) = procmap_query_named(
            &maps,
            ptr::without_provenance(addr),
            next,
            &mut name,
            &mut [],
        ) {
            let mut kept = [0; 128];
            let len = name.len().min(kept.len());
            kept[..len].copy_from_slice(&name[..len]);
            found.push((vma, kept, len));
            addr = vma.end as usize;
        }
        std::io::Read::read_to_string(&mut &maps, &mut text).expect("the text");
        assert!(found.len() < found.capacity() && text.len() < text.capacity());

        // Pages that the kernel shows to all are in the text, but are no maps of the process.
        let of_all = ["[vsyscall]", "[vectors]"];
        let lines = text
            .lines()
            .filter(|line| !of_all.iter().any(|name| line.ends_with(name)));
        let found = found.iter().map(|(vma, name, len)| {
            let (major, minor) = (vma.dev_major, vma.dev_minor);
            let letters = letters(vma.flags);
            format!(
                "{:08x}-{:08x} {letters} {:08x} {major:02x}:{minor:02x} {} {}",
                vma.start,
                vma.end,
                vma.offset,
                vma.inode,
                String::from_utf8_lossy(&name[..*len])
            )
        });
        let found: Vec<String> = found.map(|line| line.trim_end().to_owned()).collect();
        let lines: Vec<String> = lines
            .map(|line| {
                let words: Vec<&str> = line.splitn(6, ' ').collect();
                let name = words[5].trim_start();
                let name: String = name.chars().take(128).collect();
                let line = format!("{} {name}", words[..5].join(" "));
                line.trim_end().to_owned()
            })
            .collect();
        assert_eq!(found, lines);
        assert!(lines.len() > 5);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn an_entry_has_a_number_of_55_bits() {
    let number = (1_u64 << 55) - 1;
    let present = PagemapEntry::PRESENT.bits();
    let swapped = PagemapEntry::SWAP.bits();
    let entry = |flag: u64, number: u64| PagemapEntry::from_bits_retain(flag | number);
    assert_eq!(entry(present, number).pfn(), Some(number));
    assert_eq!(entry(present, 0x1234).pfn(), Some(0x1234));
    assert_eq!(entry(present, number).swap(), None);
    assert_eq!(entry(0, number).pfn(), None);
    assert_eq!(entry(swapped, number).swap(), Some((31, (1 << 50) - 1)));
    assert_eq!(entry(swapped, 5 << 5 | 3).swap(), Some((3, 5)));
    assert_eq!(entry(swapped, number).pfn(), None);
    let all = PagemapEntry::from_bits_retain(!0);
    assert_eq!(all.pfn(), Some(number), "flags are no part of it");
}

#[test]
fn a_query_names_the_file() {
    needs!(procmap_query);
    let file = memfd(3);
    let (len, offset) = (page_size(), page_size() as u64);
    // SAFETY: no address is asked for, so nothing is replaced.
    let addr = unsafe {
        mmap(
            ptr::null_mut(),
            len,
            ProtFlags::READ,
            MapFlags::SHARED,
            &file,
            offset,
        )
    };
    let pages = Pages::from_raw(addr.expect("a map").as_ptr(), len);

    let none = ProcmapFlags::empty();
    let (mut name, mut build_id) = ([0; 256], [0; 20]);
    let (vma, name, build_id) =
        procmap_query_named(maps(), pages.addr(), none, &mut name, &mut build_id).expect("a map");
    assert_eq!(name.escape_ascii().to_string(), "/memfd:test (deleted)");
    assert_eq!(build_id, b"", "no program");
    let stat = rustix::fs::fstat(&file).expect("a file");
    assert_eq!((vma.inode, vma.offset), (stat.st_ino, offset));
    let device = (
        rustix::fs::major(stat.st_dev),
        rustix::fs::minor(stat.st_dev),
    );
    assert_eq!((vma.dev_major, vma.dev_minor), device);

    let short = procmap_query_named(maps(), pages.addr(), none, &mut [0; 4], &mut []).err();
    assert_eq!(short, Some(Errno::NAMETOOLONG));

    let anonymous = Pages::new(1);
    let mut name = [0; 256];
    let (_, name, _) =
        procmap_query_named(maps(), anonymous.addr(), none, &mut name, &mut []).expect("a map");
    assert_eq!(name, b"", "no file");
}

#[test]
fn a_query_finds_the_build_id() {
    needs!(procmap_query);
    let code = a_query_finds_the_build_id as fn() as *const core::ffi::c_void;
    let none = ProcmapFlags::empty();
    // Asked in a thread, so that a kernel that never answers fails the test and holds up no other.
    let (answer, answered) = std::sync::mpsc::channel();
    let address = code.expose_provenance();
    std::thread::spawn(move || {
        let code = ptr::with_exposed_provenance(address);
        let mut build_id = [0; 64];
        let (_, _, build_id) =
            procmap_query_named(maps(), code, none, &mut [], &mut build_id).expect("a map");
        answer.send(build_id.to_vec()).expect("the test waits");
    });
    let build_id = answered
        .recv_timeout(Duration::from_secs(20))
        .expect("an answer");
    // The linker need not write one; if it did, it is in the file.
    if build_id.is_empty() {
        skip!("the test program has no build id");
    }
    let program = std::fs::read(std::env::current_exe().expect("a path")).expect("the program");
    // Linkers put it near the start.
    let start = &program[..program.len().min(1 << 16)];
    assert!(
        start
            .windows(build_id.len())
            .any(|window| window == build_id)
    );
    let short = procmap_query_named(maps(), code, none, &mut [], &mut [0; 1]).err();
    assert_eq!(short, Some(Errno::NAMETOOLONG));
}

#[test]
fn a_query_can_go_on_to_the_next() {
    needs!(procmap_query);
    let pages = Pages::with(3, ProtFlags::READ, MapFlags::PRIVATE);
    // SAFETY: the page is the test's own, and nobody borrows from it.
    unsafe {
        mprotect(
            pages.page(1),
            page_size(),
            MprotectFlags::READ | MprotectFlags::WRITE,
        )
    }
    .expect("permissions");
    let next = ProcmapFlags::COVERING_OR_NEXT_VMA;
    let second = pages.page(1).addr() as u64;
    let found =
        procmap_query(maps(), pages.addr(), next | ProcmapFlags::VMA_WRITABLE).expect("a map");
    assert_eq!(
        (found.start, found.end),
        (second, second + page_size() as u64)
    );

    let exact = ProcmapFlags::VMA_WRITABLE;
    assert_eq!(
        procmap_query(maps(), pages.addr(), exact),
        Err(Errno::NOENT)
    );
    assert_eq!(
        procmap_query(maps(), pages.addr(), ProcmapFlags::FILE_BACKED_VMA),
        Err(Errno::NOENT)
    );
    assert_eq!(
        procmap_query(maps(), pages.addr(), ProcmapFlags::VMA_SHARED),
        Err(Errno::NOENT)
    );
    assert_eq!(
        procmap_query(maps(), pages.addr(), ProcmapFlags::VMA_EXECUTABLE),
        Err(Errno::NOENT)
    );

    assert_eq!(
        procmap_query(maps(), ptr::null(), ProcmapFlags::empty()),
        Err(Errno::NOENT),
        "nothing at null"
    );
    let unknown = ProcmapFlags::from_bits_retain(1 << 40);
    assert_eq!(
        procmap_query(maps(), pages.addr(), unknown),
        Err(Errno::INVAL)
    );
    assert_eq!(
        procmap_query(memfd(1), pages.addr(), ProcmapFlags::empty()),
        Err(Errno::NOTTY)
    );
}

#[test]
fn entries_tell_what_is_there() {
    let pages = Pages::new(3);
    // A child of another test would have its part in the page.
    // SAFETY: the range is the test's own.
    unsafe { madvise(pages.addr(), pages.len(), Advice::DONTFORK) }.expect("the range is ours");
    pages.set(0, 1);
    if Support::guard_regions() {
        // SAFETY: the page is the test's own, and nobody borrows from it.
        unsafe { madvise(pages.page(1), page_size(), Advice::GUARD_INSTALL) }.expect("a guard");
    }
    let mut entries = [PagemapEntry::empty(); 3];
    let middle = pages.byte(17).cast();
    assert_eq!(pagemap_read(pagemap(), middle, &mut entries), Ok(3));
    let [there, guard, missing] = entries;
    assert!(
        there.contains(PagemapEntry::PRESENT | PagemapEntry::MMAP_EXCLUSIVE),
        "{there:?}"
    );
    assert!(
        !there.intersects(PagemapEntry::FILE | PagemapEntry::SWAP),
        "{there:?}"
    );
    assert_eq!(there.pfn().is_some_and(|pfn| pfn != 0), is_root());
    assert_eq!(there.swap(), None);
    assert_eq!(
        guard.contains(PagemapEntry::GUARD_REGION),
        Support::file_guard_regions()
    );
    assert_eq!(
        guard.swap().is_some(),
        Support::guard_regions(),
        "only a mark is there"
    );
    // A page that is not there can still count as dirty, since its map has just been made.
    assert_eq!(
        missing.difference(PagemapEntry::SOFT_DIRTY),
        PagemapEntry::empty()
    );
    assert_eq!((missing.pfn(), missing.swap()), (None, None));

    let file = Pages::with(1, RW, MapFlags::SHARED);
    file.set(0, 1);
    assert_eq!(
        pagemap_read(pagemap(), file.addr(), &mut entries[..1]),
        Ok(1)
    );
    assert!(
        entries[0].contains(PagemapEntry::PRESENT | PagemapEntry::FILE),
        "{:?}",
        entries[0]
    );
    assert_eq!(pagemap_read(pagemap(), file.addr(), &mut []), Ok(0));
    let beyond = ptr::without_provenance(usize::MAX);
    assert_eq!(
        pagemap_read(pagemap(), beyond, &mut entries),
        Ok(0),
        "not in user space"
    );
}

#[test]
fn the_soft_dirty_bit_is_there_in_kernels_built_for_it() {
    let pages = Pages::new(1);
    pages.set(0, 1);
    // A map that has just been made counts as dirty.
    let dirty = Vma::at(pages.addr()).expect("a line").has("sd");
    let mut entries = [PagemapEntry::empty()];
    assert_eq!(pagemap_read(pagemap(), pages.addr(), &mut entries), Ok(1));
    assert_eq!(entries[0].contains(PagemapEntry::SOFT_DIRTY), dirty);
    if !dirty {
        skip!("the kernel is built without MEM_SOFT_DIRTY");
    }
}

#[test]
fn a_scan_finds_what_was_written() {
    needs!(pagemap_scan);
    let pages = Pages::new(8);
    for page in [1, 2, 5] {
        pages.set(page * page_size(), 1);
    }
    assert_eq!(pages.get(6 * page_size()), 0, "the zero page");
    let at = |page: usize| range(&pages).start + (page * page_size()) as u64;
    let present = PageCategories::PRESENT;
    let returned = present | PageCategories::PFNZERO | PageCategories::FILE;
    let what = PagemapScan {
        mask: present,
        returned,
        ..PagemapScan::default()
    };
    let mut regions = [PageRegion::default(); 8];

    let found = pagemap_scan(pagemap(), range(&pages), &what, &mut regions).expect("a scan");
    assert_eq!(found.walk_end, range(&pages).end);
    let zero = present | PageCategories::PFNZERO;
    let expected = [
        PageRegion {
            start: at(1),
            end: at(3),
            categories: present,
        },
        PageRegion {
            start: at(5),
            end: at(6),
            categories: present,
        },
        PageRegion {
            start: at(6),
            end: at(7),
            categories: zero,
        },
    ];
    assert_eq!(regions[..found.regions], expected);

    // Those that are not there.
    let missing = PagemapScan {
        inverted: present,
        mask: present,
        ..PagemapScan::default()
    };
    let found = pagemap_scan(pagemap(), range(&pages), &missing, &mut regions).expect("a scan");
    let starts: Vec<u64> = regions[..found.regions]
        .iter()
        .map(|region| region.start)
        .collect();
    assert_eq!(starts, [at(0), at(3), at(7)]);

    // One of several.
    let anyof = PageCategories::PFNZERO | PageCategories::SWAPPED;
    let found = pagemap_scan(
        pagemap(),
        range(&pages),
        &PagemapScan { anyof, ..what },
        &mut regions,
    )
    .expect("a scan");
    assert_eq!(regions[..found.regions], expected[2..]);

    // No more than there is room for, or than is asked for.
    let found = pagemap_scan(pagemap(), range(&pages), &what, &mut regions[..1]).expect("a scan");
    assert_eq!(
        (found.regions, found.walk_end < range(&pages).end),
        (1, true)
    );
    let found = pagemap_scan(
        pagemap(),
        found.walk_end..range(&pages).end,
        &what,
        &mut regions,
    )
    .expect("a scan");
    assert_eq!(regions[..found.regions], expected[1..]);
    let one = PagemapScan {
        max_pages: 1,
        ..what
    };
    let found = pagemap_scan(pagemap(), range(&pages), &one, &mut regions).expect("a scan");
    assert_eq!((found.regions, found.walk_end), (1, at(2)));
    assert_eq!((regions[0].start, regions[0].end), (at(1), at(2)));
}

#[test]
fn a_scan_tells_kinds_apart() {
    needs!(pagemap_scan);
    let mut regions = [PageRegion::default(); 2];
    let mut scan = |pages: &Pages, category| {
        let what = PagemapScan {
            mask: category,
            returned: category,
            ..PagemapScan::default()
        };
        pagemap_scan(pagemap(), range(pages), &what, &mut regions).map(|found| found.regions)
    };
    let shared = Pages::with(1, RW, MapFlags::SHARED);
    shared.set(0, 1);
    let private = Pages::new(1);
    private.set(0, 1);
    assert_eq!(scan(&shared, PageCategories::FILE), Ok(1));
    assert_eq!(scan(&private, PageCategories::FILE), Ok(0));
    assert_eq!(scan(&private, PageCategories::SWAPPED), Ok(0));
    assert_eq!(scan(&private, PageCategories::HUGE), Ok(0));
    assert_eq!(
        scan(&private, PageCategories::WPALLOWED),
        Ok(0),
        "no userfaultfd"
    );
    // Where nothing tracks writes all pages count as written, or since some later kernel none.
    if older_than(6, 19) {
        assert_eq!(scan(&private, PageCategories::WRITTEN), Ok(1));
    }
    let dirty = Vma::at(private.addr()).expect("a line").has("sd");
    assert_eq!(
        scan(&private, PageCategories::SOFT_DIRTY),
        Ok(usize::from(dirty))
    );

    if Support::file_guard_regions() {
        // SAFETY: the page is the test's own, and nobody borrows from it.
        unsafe { madvise(private.addr(), page_size(), Advice::GUARD_INSTALL) }.expect("a guard");
        assert_eq!(scan(&private, PageCategories::GUARD), Ok(1));
        assert_eq!(scan(&shared, PageCategories::GUARD), Ok(0));
    } else {
        assert_eq!(scan(&shared, PageCategories::GUARD), Err(Errno::INVAL));
    }
}

#[test]
fn a_scan_finds_huge_pages() {
    needs!(pagemap_scan);
    let (Some(size), Some(ThpMode::Always | ThpMode::Madvise)) =
        (Support::thp_size(), Support::thp())
    else {
        skip!("no transparent huge pages")
    };
    let pages = Pages::new(2 * size / page_size());
    // SAFETY: the range is the test's own.
    unsafe { madvise(pages.addr(), pages.len(), Advice::HUGEPAGE) }.expect("the range is ours");
    let offset = pages.addr().align_offset(size);
    pages.set(offset, 1);
    if Vma::at(pages.addr())
        .expect("a line")
        .kilobytes("AnonHugePages")
        == 0
    {
        skip!("the kernel had no huge page to spare");
    }
    let huge = PageCategories::HUGE;
    let what = PagemapScan {
        mask: huge,
        returned: huge,
        ..PagemapScan::default()
    };
    let mut regions = [PageRegion::default(); 2];
    let found = pagemap_scan(pagemap(), range(&pages), &what, &mut regions).expect("a scan");
    let start = range(&pages).start + offset as u64;
    assert_eq!(found.regions, 1);
    assert_eq!(
        regions[0],
        PageRegion {
            start,
            end: start + size as u64,
            categories: huge
        }
    );
}

#[test]
fn a_scan_refuses() {
    needs!(pagemap_scan);
    let pages = Pages::new(2);
    let what = PagemapScan {
        mask: PageCategories::PRESENT,
        ..PagemapScan::default()
    };
    let scan = |range, what| pagemap_scan(pagemap(), range, &what, &mut []).err();
    let odd = range(&pages).start + 1..range(&pages).end;
    assert_eq!(scan(odd, what), Some(Errno::INVAL), "no page starts there");
    let flags = PagemapScanFlags::from_bits_retain(1 << 40);
    assert_eq!(
        scan(range(&pages), PagemapScan { flags, ..what }),
        Some(Errno::INVAL),
        "an unknown flag"
    );
    let mask = PageCategories::from_bits_retain(1 << 40);
    assert_eq!(
        scan(range(&pages), PagemapScan { mask, ..what }),
        Some(Errno::INVAL),
        "an unknown category"
    );
    let kernel = 0u64.wrapping_sub(1 << 16)..0u64.wrapping_sub(1 << 15);
    assert_eq!(scan(kernel, what), Some(Errno::FAULT), "not in user space");
    let flags = PagemapScanFlags::WP_MATCHING | PagemapScanFlags::CHECK_WPASYNC;
    assert_eq!(
        scan(range(&pages), PagemapScan { flags, ..what }),
        Some(Errno::PERM),
        "nothing tracks writes"
    );
    let other = pagemap_scan(memfd(1), range(&pages), &what, &mut []).err();
    assert_eq!(other, Some(Errno::NOTTY), "another file");
}

#[test]
fn writes_are_tracked() {
    let needed = UffdFeatures::WP_ASYNC | UffdFeatures::WP_UNPOPULATED;
    if !Support::pagemap_scan() || !Support::userfaultfd_features().contains(needed) {
        skip!("tracking writes needs Linux 6.7 and userfaultfd");
    }
    let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::USER_MODE_ONLY;
    let uffd = userfaultfd(flags).expect("a userfaultfd");
    uffdio_api(&uffd, needed).expect("the handshake");
    let pages = Pages::new(4);
    // SAFETY: the range is the test's own, here and below.
    unsafe { uffdio_register(&uffd, pages.addr(), pages.len(), UffdRegisterMode::WP) }
        .expect("a range");
    let protect = UffdWriteprotectMode::WP;
    // SAFETY: as above.
    unsafe { uffdio_writeprotect(&uffd, pages.addr(), pages.len(), protect) }.expect("protection");

    let written = PageCategories::WRITTEN;
    let flags = PagemapScanFlags::WP_MATCHING | PagemapScanFlags::CHECK_WPASYNC;
    let what = PagemapScan {
        flags,
        mask: written,
        returned: written,
        ..PagemapScan::default()
    };
    let mut regions = [PageRegion::default(); 4];
    let mut take = || {
        let found = pagemap_scan(pagemap(), range(&pages), &what, &mut regions).expect("a scan");
        let page = |address: u64| (address - range(&pages).start) / page_size() as u64;
        regions[..found.regions]
            .iter()
            .flat_map(|region| page(region.start)..page(region.end))
            .collect::<Vec<u64>>()
    };
    assert_eq!(take(), [0u64; 0]);
    pages.set(page_size(), 1);
    pages.set(3 * page_size(), 1);
    assert_eq!(take(), [1, 3]);
    assert_eq!(take(), [0u64; 0], "what was taken is protected again");
    pages.set(3 * page_size(), 2);
    assert_eq!(take(), [3]);
    assert_eq!((pages.get(page_size()), pages.get(3 * page_size())), (1, 2));

    let mut entries = [PagemapEntry::empty(); 4];
    assert_eq!(pagemap_read(pagemap(), pages.addr(), &mut entries), Ok(4));
    assert!(
        entries
            .iter()
            .all(|entry| entry.contains(PagemapEntry::UFFD_WP)),
        "{entries:?}"
    );
    let allowed = PagemapScan {
        mask: PageCategories::WPALLOWED,
        ..PagemapScan::default()
    };
    let found = pagemap_scan(pagemap(), range(&pages), &allowed, &mut regions).expect("a scan");
    assert_eq!(
        (found.regions, regions[0].start, regions[0].end),
        (1, range(&pages).start, range(&pages).end)
    );
}

#[test]
fn a_process_that_is_gone_has_no_pages() {
    let mut child = sleeper();
    let open = |name: &str| File::open(format!("/proc/{}/{name}", child.id())).expect("a file");
    let (maps, pagemap) = (open("maps"), open("pagemap"));
    child.kill().expect("the child can be killed");
    child.wait().expect("the child ends");

    let somewhere = ptr::without_provenance(page_size());
    let mut entries = [PagemapEntry::PRESENT; 2];
    assert_eq!(pagemap_read(&pagemap, somewhere, &mut entries), Ok(0));
    assert_eq!(entries, [PagemapEntry::PRESENT; 2], "nothing was written");
    if Support::pagemap_scan() {
        let present = PageCategories::PRESENT;
        let what = PagemapScan {
            mask: present,
            returned: present,
            ..PagemapScan::default()
        };
        let mut regions = [PageRegion::default(); 1];
        // Some kernels say why there is nothing.
        match pagemap_scan(&pagemap, 0..1 << 30, &what, &mut regions) {
            Ok(found) => assert_eq!((found.regions, found.walk_end), (0, 1 << 30)),
            Err(error) => assert_eq!(error, Errno::SRCH),
        }
    }
    if Support::procmap_query() {
        let next = ProcmapFlags::COVERING_OR_NEXT_VMA;
        assert_eq!(procmap_query(&maps, somewhere, next), Err(Errno::SRCH));
    }
}

#[test]
fn pages_are_read_from_files_that_are_open_for_reading() {
    let mut entries = [PagemapEntry::empty(); 1];
    let nowhere = ptr::null();
    assert_eq!(
        pagemap_read(path_fd(), nowhere, &mut entries),
        Err(Errno::BADF)
    );
    assert_eq!(pagemap_read(pagemap(), nowhere, &mut []), Ok(0));
    let last = ptr::without_provenance(usize::MAX);
    assert_eq!(
        pagemap_read(pagemap(), last, &mut entries),
        Ok(0),
        "not in user space"
    );
}

#[test]
fn a_scan_that_fails_half_way_says_so() {
    let needed = UffdFeatures::WP_ASYNC | UffdFeatures::WP_UNPOPULATED;
    if !Support::pagemap_scan() || !Support::userfaultfd_features().contains(needed) {
        skip!("tracking writes needs Linux 6.7 and userfaultfd");
    }
    let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::USER_MODE_ONLY;
    let uffd = userfaultfd(flags).expect("a userfaultfd");
    uffdio_api(&uffd, needed).expect("the handshake");
    let pages = Pages::new(2);
    // SAFETY: the page is the test's own.
    unsafe { uffdio_register(&uffd, pages.addr(), page_size(), UffdRegisterMode::WP) }
        .expect("a range");
    pages.set(0, 1);
    pages.set(page_size(), 1);
    let written = PageCategories::WRITTEN;
    let mut what = PagemapScan {
        flags: PagemapScanFlags::WP_MATCHING | PagemapScanFlags::CHECK_WPASYNC,
        mask: written,
        returned: written,
        ..PagemapScan::default()
    };
    let mut regions = [PageRegion::default(); 2];
    let half = pagemap_scan(pagemap(), range(&pages), &what, &mut regions);
    assert_eq!(half, Err(Errno::PERM), "the second page is not tracked");
    // Without the check what is not tracked is passed over.
    what.flags = PagemapScanFlags::WP_MATCHING;
    pages.set(0, 2);
    let found = pagemap_scan(pagemap(), range(&pages), &what, &mut regions).expect("a scan");
    let start = range(&pages).start;
    assert_eq!(found.regions, 1);
    assert_eq!(
        (regions[0].start, regions[0].end),
        (start, start + page_size() as u64)
    );
    assert_eq!((pages.get(0), pages.get(page_size())), (2, 1));
}
