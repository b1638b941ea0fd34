//! `mmap`, `mmap_anonymous`, `munmap`, `remap_file_pages`.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use mmarinus_sys::{
    Advice, Errno, HugePage, MapFlags, ProtFlags, Result, SealFlags, Support, fcntl_add_seals,
    madvise, mmap, mmap_anonymous, munmap, page_size, remap_file_pages,
};

use crate::common::{
    Pages, RW, Vma, disk_file, drop_capabilities, forked, limit_locked, memfd, older_than, path_fd,
    punch, signal,
};
use crate::testing::{in_child, skip};

/// Maps anonymous memory where the kernel likes, and unmaps it with the result.
fn anonymous(len: usize, flags: MapFlags) -> Result<Pages> {
    // SAFETY: no test asks here for `FIXED`, so nothing is replaced.
    let addr = unsafe { mmap_anonymous(ptr::null_mut(), len, RW, flags) }?;
    Ok(Pages::from_raw(addr.as_ptr(), len))
}

/// Maps a page at an address within pages of the test's own, or at one that is refused.
fn page_at(addr: *mut c_void, flags: MapFlags) -> Result<NonNull<c_void>> {
    // SAFETY: what is replaced belongs to the test, and nothing borrows from it.
    unsafe { mmap_anonymous(addr, page_size(), RW, flags) }
}

/// Maps a file where the kernel likes, and unmaps it with the result.
fn file(len: usize, prot: ProtFlags, flags: MapFlags, fd: impl AsFd, offset: u64) -> Result<Pages> {
    // SAFETY: no test asks here for `FIXED`, so nothing is replaced.
    let addr = unsafe { mmap(ptr::null_mut(), len, prot, flags, fd, offset) }?;
    Ok(Pages::from_raw(addr.as_ptr(), len))
}

/// Unmaps a range that belongs to the test, or none.
fn unmap(addr: *mut c_void, len: usize) -> Result<()> {
    // SAFETY: the range belongs to the test, and nothing borrows from it.
    unsafe { munmap(addr, len) }
}

#[test]
fn anonymous_memory_is_zeros_and_what_was_asked_for() {
    let pages = Pages::new(3);
    assert!(pages.addr().addr().is_multiple_of(page_size()));
    assert!((0..pages.len()).step_by(512).all(|at| pages.get(at) == 0));
    pages.set(pages.len() - 1, 7);
    assert_eq!(pages.get(pages.len() - 1), 7);
    assert_eq!(Vma::at(pages.addr()).unwrap().perms, "rw-p");

    let shared = Pages::with(1, ProtFlags::READ, MapFlags::SHARED);
    assert_eq!(Vma::at(shared.addr()).unwrap().perms, "r--s");
    let code = Pages::with(1, ProtFlags::READ | ProtFlags::EXEC, MapFlags::PRIVATE);
    assert_eq!(Vma::at(code.addr()).unwrap().perms, "r-xp");
    let none = Pages::with(1, ProtFlags::empty(), MapFlags::PRIVATE);
    assert_eq!(Vma::at(none.addr()).unwrap().perms, "---p");
}

#[test]
fn a_file_map_shows_the_file_from_its_offset() {
    let fd = memfd(3);
    let pages = file(
        2 * page_size(),
        ProtFlags::READ,
        MapFlags::SHARED,
        &fd,
        page_size() as u64,
    )
    .unwrap();
    assert_eq!((pages.get(0), pages.get(page_size())), (2, 3));
}

#[test]
fn shared_writes_reach_the_file_and_private_ones_do_not() {
    let fd = memfd(2);
    let shared = file(page_size(), RW, MapFlags::SHARED, &fd, 0).unwrap();
    shared.set(0, 100);
    let private = file(page_size(), RW, MapFlags::PRIVATE, &fd, page_size() as u64).unwrap();
    private.set(0, 200);
    let mut byte = [0];
    fd.read_exact_at(&mut byte, 0).unwrap();
    assert_eq!(byte, [100]);
    fd.read_exact_at(&mut byte, page_size() as u64).unwrap();
    assert_eq!(byte, [2]);
}

#[test]
fn a_length_is_rounded_up_to_pages() {
    let pages = anonymous(1, MapFlags::PRIVATE).unwrap();
    let last = Pages::from_raw(pages.addr(), page_size());
    last.set(page_size() - 1, 1);
    assert_eq!(last.get(page_size() - 1), 1);
    core::mem::forget(last);
}

#[test]
fn lengths_that_nobody_has_are_refused_and_not_truncated() {
    let fd = memfd(1);
    assert_eq!(anonymous(0, MapFlags::PRIVATE).err(), Some(Errno::INVAL));
    assert_eq!(
        file(0, RW, MapFlags::SHARED, &fd, 0).err(),
        Some(Errno::INVAL)
    );
    for len in [
        usize::MAX,
        usize::MAX - page_size() + 2,
        usize::MAX - page_size() + 1,
        isize::MAX as usize,
    ] {
        assert_eq!(
            anonymous(len, MapFlags::PRIVATE).err(),
            Some(Errno::NOMEM),
            "{len:#x}"
        );
        let error = file(len, RW, MapFlags::SHARED, &fd, 0).err();
        assert!(
            matches!(error, Some(Errno::NOMEM | Errno::OVERFLOW)),
            "{len:#x}: {error:?}"
        );
    }
}

#[test]
fn offsets_that_are_not_pages_or_not_in_a_file_are_refused() {
    let fd = memfd(1);
    for offset in [
        1,
        512,
        page_size() as u64 - 1,
        page_size() as u64 + 1,
        (1 << 44) + 1,
        u64::MAX,
    ] {
        assert_eq!(
            file(1, RW, MapFlags::SHARED, &fd, offset).err(),
            Some(Errno::INVAL),
            "{offset:#x}"
        );
    }
    if cfg!(target_pointer_width = "64") {
        let end = 1 << 63;
        for offset in [end - page_size() as u64, end, end + page_size() as u64] {
            assert_eq!(
                file(1, RW, MapFlags::SHARED, &fd, offset).err(),
                Some(Errno::OVERFLOW),
                "{offset:#x}"
            );
        }
    }
}

#[test]
fn address_zero_is_refused() {
    for fixed in [
        MapFlags::FIXED,
        MapFlags::FIXED_NOREPLACE,
        MapFlags::FIXED | MapFlags::FIXED_NOREPLACE,
    ] {
        assert_eq!(
            page_at(ptr::null_mut(), MapFlags::PRIVATE | fixed),
            Err(Errno::INVAL)
        );
        let fd = memfd(1);
        // SAFETY: nothing is mapped at address 0.
        let map = unsafe {
            mmap(
                ptr::null_mut(),
                page_size(),
                RW,
                MapFlags::SHARED | fixed,
                &fd,
                0,
            )
        };
        assert_eq!(map, Err(Errno::INVAL));
    }
}

#[test]
fn a_kind_is_needed() {
    let fd = memfd(1);
    assert_eq!(anonymous(1, MapFlags::empty()).err(), Some(Errno::INVAL));
    assert_eq!(
        file(1, RW, MapFlags::empty(), &fd, 0).err(),
        Some(Errno::INVAL)
    );
    assert_eq!(
        anonymous(1, MapFlags::SHARED_VALIDATE).err(),
        Some(Errno::INVAL)
    );
}

#[test]
fn unknown_flags_are_ignored_unless_validated() {
    let fd = memfd(1);
    let unknown = MapFlags::from_bits_retain(1 << 25);
    assert_eq!(
        file(1, RW, MapFlags::SHARED | unknown, &fd, 0)
            .unwrap()
            .get(0),
        1
    );
    assert_eq!(
        file(1, RW, MapFlags::SHARED_VALIDATE | unknown, &fd, 0).err(),
        Some(Errno::OPNOTSUPP)
    );
    assert_eq!(
        file(1, RW, MapFlags::SHARED_VALIDATE, &fd, 0)
            .unwrap()
            .get(0),
        1
    );
}

#[test]
fn a_validated_map_cannot_be_placed_without_replacing() {
    let noreplace = MapFlags::SHARED_VALIDATE | MapFlags::FIXED_NOREPLACE;
    let place = |addr| {
        // SAFETY: the flag replaces nothing.
        unsafe { mmap(addr, page_size(), RW, noreplace, memfd(1), 0) }
    };
    let status = in_child!({
        let pages = Pages::new(3);
        punch(&pages, 1, 1);
        assert_eq!(place(pages.page(0)), Err(Errno::EXIST));
        assert_eq!(place(pages.page(1)), Err(Errno::OPNOTSUPP));
    });
    assert!(status.success());
}

#[test]
fn unknown_permissions_are_ignored() {
    let pages = Pages::with(
        1,
        ProtFlags::READ | ProtFlags::from_bits_retain(0x40),
        MapFlags::PRIVATE,
    );
    assert_eq!(Vma::at(pages.addr()).unwrap().perms, "r--p");
}

#[test]
fn fixed_replaces() {
    let pages = Pages::new(3);
    pages.set(page_size(), 5);
    pages.set(2 * page_size(), 6);
    let addr = page_at(pages.page(1), MapFlags::PRIVATE | MapFlags::FIXED).unwrap();
    assert_eq!(addr.as_ptr(), pages.page(1));
    assert_eq!((pages.get(page_size()), pages.get(2 * page_size())), (0, 6));
}

#[test]
fn fixed_noreplace_does_not() {
    let pages = Pages::new(1);
    pages.set(0, 5);
    assert_eq!(
        page_at(pages.addr(), MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE),
        Err(Errno::EXIST)
    );
    assert_eq!(pages.get(0), 5);
}

#[test]
fn fixed_noreplace_takes_what_is_free() {
    let status = in_child!({
        let pages = Pages::new(3);
        punch(&pages, 1, 1);
        let addr = page_at(pages.page(1), MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE).unwrap();
        assert_eq!(addr.as_ptr(), pages.page(1));
    });
    assert!(status.success());
}

#[test]
fn a_hint_keeps_away_from_the_stack_and_fixed_noreplace_does_not() {
    // In a child, whose stack of the first thread nobody needs to grow.
    let status = in_child!({
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let stack = maps.lines().find(|line| line.ends_with("[stack]"));
        let (start, _) = stack.and_then(|line| line.split_once('-')).unwrap();
        let start = usize::from_str_radix(start, 16).unwrap();
        let below = ptr::without_provenance_mut(start - page_size());
        let near = page_at(below, MapFlags::PRIVATE).unwrap();
        assert_ne!(near.as_ptr(), below);
        let fixed = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
        assert_eq!(page_at(below, fixed).unwrap().as_ptr(), below);
        unmap(below, page_size()).unwrap();
        unmap(near.as_ptr(), page_size()).unwrap();
    });
    assert!(status.success(), "{status}");
}

#[test]
fn fixed_addresses_are_checked() {
    let pages = Pages::new(2);
    let fixed = MapFlags::PRIVATE | MapFlags::FIXED;
    assert_eq!(page_at(pages.byte(1).cast(), fixed), Err(Errno::INVAL));
    let beyond = ptr::without_provenance_mut(usize::MAX & !(page_size() - 1));
    assert_eq!(page_at(beyond, fixed), Err(Errno::NOMEM));
}

#[test]
fn low_addresses_are_for_root() {
    let least = std::fs::read_to_string("/proc/sys/vm/mmap_min_addr").unwrap();
    if least.trim().parse::<usize>().unwrap() <= page_size() {
        skip!("vm.mmap_min_addr keeps no page but that at 0");
    }
    let status = in_child!({
        drop_capabilities();
        let low = ptr::without_provenance_mut(page_size());
        assert_eq!(
            page_at(low, MapFlags::PRIVATE | MapFlags::FIXED),
            Err(Errno::PERM)
        );
    });
    assert!(status.success());
}

#[test]
fn a_hint_is_rounded_down_and_taken_if_free() {
    let status = in_child!({
        let pages = Pages::new(3);
        punch(&pages, 1, 1);
        let addr = page_at(pages.byte(page_size() + 100).cast(), MapFlags::PRIVATE).unwrap();
        assert_eq!(addr.as_ptr(), pages.page(1));
        let taken = page_at(pages.page(0), MapFlags::PRIVATE).unwrap();
        assert_ne!(taken.as_ptr(), pages.page(0));
    });
    assert!(status.success());
}

#[test]
fn files_that_cannot_be_mapped_say_why() {
    let shared =
        |prot, fd: &dyn AsFd| file(page_size(), prot, MapFlags::SHARED, fd.as_fd(), 0).err();
    let exe = File::open("/proc/self/exe").unwrap();
    assert_eq!(shared(RW, &exe), Some(Errno::ACCESS));
    assert_eq!(
        file(1, RW, MapFlags::PRIVATE, &exe, 0).unwrap().get(0),
        0x7f
    );
    let write_only = File::options().write(true).open("/dev/null").unwrap();
    assert_eq!(shared(ProtFlags::READ, &write_only), Some(Errno::ACCESS));
    assert_eq!(
        shared(ProtFlags::READ, &File::open("/").unwrap()),
        Some(Errno::NODEV)
    );
    assert_eq!(shared(ProtFlags::READ, &path_fd()), Some(Errno::BADF));
    let sealed = memfd(1);
    fcntl_add_seals(&sealed, SealFlags::WRITE).unwrap();
    assert_eq!(shared(RW, &sealed), Some(Errno::PERM));
    assert_eq!(shared(ProtFlags::READ, &sealed), None);
}

#[test]
fn touching_beyond_the_file_is_a_signal() {
    let status = in_child!({
        let pages = file(
            2 * page_size(),
            ProtFlags::READ,
            MapFlags::SHARED,
            memfd(1),
            0,
        )
        .unwrap();
        assert_eq!(pages.get(0), 1);
        pages.get(page_size());
    });
    assert_eq!(signal(status), Some(libc::SIGBUS));
}

#[test]
fn populate_reads_in_unless_nonblock() {
    let kilobytes = |flags| {
        // A hole in front keeps the map from being one with its neighbours.
        let pages = Pages::with(16, RW, MapFlags::PRIVATE | MapFlags::NORESERVE | flags);
        Vma::at(pages.addr()).unwrap().kilobytes("Rss")
    };
    let status = in_child!({
        let all = 16 * page_size() / 1024;
        assert_eq!(kilobytes(MapFlags::POPULATE), all);
        assert_eq!(kilobytes(MapFlags::POPULATE | MapFlags::NONBLOCK), 0);
        assert_eq!(kilobytes(MapFlags::empty()), 0);
    });
    assert!(status.success());
}

#[test]
fn flags_reach_the_map() {
    let has = |flags, name| {
        let pages = anonymous(page_size(), MapFlags::PRIVATE | flags).unwrap();
        Vma::at(pages.addr()).unwrap().has(name)
    };
    let status = in_child!({
        assert!(has(MapFlags::NORESERVE, "nr") || overcommit_is_off());
        assert!(has(MapFlags::GROWSDOWN, "gd"));
        assert!(has(MapFlags::LOCKED, "lo"));
        assert!(older_than(6, 7) || has(MapFlags::STACK, "nh"));
        for name in ["nr", "gd", "lo", "nh"] {
            assert!(!has(MapFlags::empty(), name), "{name}");
        }
    });
    assert!(status.success());
}

/// Whether the kernel ignores `NORESERVE`.
fn overcommit_is_off() -> bool {
    std::fs::read_to_string("/proc/sys/vm/overcommit_memory")
        .unwrap()
        .trim()
        == "2"
}

#[test]
fn growsdown_is_for_private_memory() {
    assert_eq!(
        anonymous(1, MapFlags::SHARED | MapFlags::GROWSDOWN).err(),
        Some(Errno::INVAL)
    );
    assert_eq!(
        file(1, RW, MapFlags::PRIVATE | MapFlags::GROWSDOWN, memfd(1), 0).err(),
        Some(Errno::INVAL)
    );
}

#[test]
fn locked_beyond_the_limit_is_refused() {
    let status = in_child!({
        drop_capabilities();
        limit_locked(page_size() as u64);
        assert_eq!(
            anonymous(2 * page_size(), MapFlags::PRIVATE | MapFlags::LOCKED).err(),
            Some(Errno::AGAIN)
        );
        assert!(anonymous(page_size(), MapFlags::PRIVATE | MapFlags::LOCKED).is_ok());
    });
    assert!(status.success());
}

#[test]
fn flags_without_effect_are_taken() {
    let ignored = MapFlags::DENYWRITE | MapFlags::EXECUTABLE;
    #[cfg(not(any(
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "mips64",
        target_arch = "mips64r6"
    )))]
    let ignored = ignored | MapFlags::UNINITIALIZED;
    assert_eq!(Pages::with(1, RW, MapFlags::PRIVATE | ignored).get(0), 0);
}

#[test]
fn droppable_memory_keeps_its_bytes_while_memory_is_plenty() {
    let map = |flags| anonymous(page_size(), MapFlags::DROPPABLE | flags);
    let pages = match map(MapFlags::empty()) {
        Err(Errno::INVAL) if older_than(6, 11) => skip!("MAP_DROPPABLE needs Linux 6.11"),
        Err(Errno::OPNOTSUPP) if cfg!(target_pointer_width = "32") => {
            skip!("MAP_DROPPABLE needs a 64-bit kernel")
        }
        pages => pages.unwrap(),
    };
    pages.set(0, 9);
    assert_eq!(pages.get(0), 9);
    assert_eq!(Vma::at(pages.addr()).unwrap().perms, "rw-p");
    assert_eq!(map(MapFlags::PRIVATE).err(), Some(Errno::INVAL));
    assert_eq!(map(MapFlags::GROWSDOWN).err(), Some(Errno::INVAL));
    assert_eq!(map(MapFlags::LOCKED).err(), Some(Errno::INVAL));
    assert_eq!(map(MapFlags::HUGETLB).err(), Some(Errno::INVAL));
    let of_file = file(page_size(), RW, MapFlags::DROPPABLE, memfd(1), 0);
    assert_eq!(of_file.err(), Some(Errno::INVAL));
}

#[test]
fn droppable_memory_is_zeros_in_a_child_and_no_signal_when_dropped() {
    if !Support::droppable() {
        skip!("MAP_DROPPABLE needs Linux 6.11");
    }
    let pages = anonymous(page_size(), MapFlags::DROPPABLE).unwrap();
    pages.set(0, 9);
    assert_eq!(forked(|| pages.get(0)), 0);
    assert_eq!(pages.get(0), 9);
    // SAFETY: the page is the test's own, and nothing borrows from it.
    unsafe { madvise(pages.addr(), pages.len(), Advice::PAGEOUT) }.unwrap();
    let left = pages.get(0);
    assert!(left == 9 || left == 0, "{left}");
    pages.set(0, 10);
    assert_eq!(pages.get(0), 10);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn low_and_high_addresses() {
    let low = Pages::with(1, RW, MapFlags::PRIVATE | MapFlags::_32BIT);
    assert!(low.addr().addr() < 1 << 31);
    let high = Pages::with(1, RW, MapFlags::PRIVATE | MapFlags::ABOVE4G);
    assert!(high.addr().addr() >= 1 << 32);
}

#[cfg(not(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6"
)))]
#[test]
fn sync_needs_persistent_memory() {
    let sync = MapFlags::SHARED_VALIDATE | MapFlags::SYNC;
    assert_eq!(file(1, RW, sync, memfd(1), 0).err(), Some(Errno::OPNOTSUPP));
    assert_eq!(
        file(1, RW, sync, disk_file(1), 0).err(),
        Some(Errno::OPNOTSUPP)
    );
}

#[test]
fn huge_pages_come_from_the_pool() {
    let free = |size: &str| {
        let path = format!("/sys/kernel/mm/hugepages/hugepages-{size}/free_hugepages");
        let text = std::fs::read_to_string(path).ok()?;
        text.trim().parse::<usize>().ok()
    };
    let flags = MapFlags::PRIVATE | HugePage::SIZE_2MB.map_flags();
    match free("2048kB") {
        None => assert_eq!(anonymous(1, flags).err(), Some(Errno::INVAL)),
        Some(0) => assert_eq!(anonymous(2 << 20, flags).err(), Some(Errno::NOMEM)),
        Some(_) => {
            let page = anonymous(2 << 20, flags).unwrap();
            assert!(page.addr().addr().is_multiple_of(2 << 20));
            page.set((2 << 20) - 1, 1);
            assert_eq!(
                Vma::at(page.addr()).unwrap().kilobytes("KernelPageSize"),
                2048
            );
            // munmap does not round up to huge pages.
            assert_eq!(unmap(page.addr(), page_size()), Err(Errno::INVAL));
        }
    }
    let absent = HugePage::from_log2(13).unwrap();
    assert_eq!(
        anonymous(1, MapFlags::PRIVATE | absent.map_flags()).err(),
        Some(Errno::INVAL)
    );
    // A file that is not of huge pages.
    assert_eq!(
        file(1, RW, MapFlags::PRIVATE | MapFlags::HUGETLB, memfd(1), 0).err(),
        Some(Errno::INVAL)
    );
}

#[test]
fn munmap_removes_a_page_and_leaves_its_neighbours() {
    let status = in_child!({
        let pages = Pages::new(3);
        pages.set(2 * page_size(), 3);
        unmap(pages.page(1), page_size()).unwrap();
        assert!(Vma::at(pages.page(1)).is_none());
        assert_eq!((pages.get(0), pages.get(2 * page_size())), (0, 3));
        // A hole is no error.
        unmap(pages.page(1), page_size()).unwrap();
        // Rounded up to a page.
        unmap(pages.page(2), 1).unwrap();
        assert!(Vma::at(pages.page(2)).is_none());
        pages.get(page_size());
    });
    assert_eq!(signal(status), Some(libc::SIGSEGV));
}

#[test]
fn munmap_refuses_what_is_no_range() {
    let pages = Pages::new(2);
    pages.set(0, 1);
    for (addr, len) in [
        (pages.byte(1).cast(), page_size()),
        (pages.addr(), 0),
        (pages.addr(), usize::MAX),
        (pages.addr(), usize::MAX - page_size() + 2),
        (pages.addr(), pages.addr().addr().wrapping_neg()),
    ] {
        assert_eq!(unmap(addr, len), Err(Errno::INVAL), "{addr:?} {len:#x}");
    }
    assert_eq!(pages.get(0), 1);
}

#[test]
fn remap_file_pages_shows_another_page() {
    let fd = memfd(3);
    let pages = file(3 * page_size(), ProtFlags::READ, MapFlags::SHARED, &fd, 0).unwrap();
    let remap = |pages: &Pages, size, pgoff| {
        // SAFETY: the pages belong to the test, and nothing borrows from them.
        unsafe { remap_file_pages(pages.addr(), size, pgoff, MapFlags::empty()) }
    };
    assert_eq!(remap(&pages, page_size(), 2), Ok(()));
    assert_eq!((pages.get(0), pages.get(page_size())), (3, 2));
    assert_eq!(remap(&pages, 0, 1), Err(Errno::INVAL));
    assert_eq!(remap(&pages, page_size(), usize::MAX), Err(Errno::INVAL));
    let private = file(page_size(), ProtFlags::READ, MapFlags::PRIVATE, &fd, 0).unwrap();
    assert_eq!(remap(&private, page_size(), 1), Err(Errno::INVAL));
}
