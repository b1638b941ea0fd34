//! `madvise`, `process_madvise`.

use core::ffi::c_void;
use core::ptr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command};

use mmarinus_sys::{
    Advice, Errno, IoVec, MapFlags, PIDFD_SELF, ProtFlags, Result, Support, gettid, madvise, mlock,
    mmap, mprotect, munlock, page_size, process_madvise, process_vm_readv,
};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::common::{Pages, RW, Vma, is_root, memfd, older_than, punch, signal};
use crate::testing::{in_child, needs, skip};

/// Advises pages of the test's own.
fn advise(addr: *mut c_void, len: usize, advice: Advice) -> Result<()> {
    // SAFETY: the pages belong to the test, and nothing borrows from them.
    unsafe { madvise(addr, len, advice) }
}

/// Advises pages of the test's own, or of a child.
fn advise_process(pidfd: impl AsFd, ranges: &[IoVec], advice: Advice) -> Result<usize> {
    // SAFETY: the pages belong to the test or to its child, and nothing borrows from them.
    unsafe { process_madvise(pidfd, ranges, advice) }
}

/// Maps a file for as long as the result lives.
fn file(count: usize, prot: ProtFlags, flags: MapFlags, fd: impl AsFd) -> Pages {
    let len = count * page_size();
    // SAFETY: no address is asked for, so nothing is replaced.
    let addr = unsafe { mmap(ptr::null_mut(), len, prot, flags, fd, 0) };
    Pages::from_raw(addr.expect("a map").as_ptr(), len)
}

/// Whether the kernel knows this advice.
fn knows(advice: Advice) -> bool {
    let pages = Pages::new(1);
    advise(pages.addr(), 0, advice) != Err(Errno::INVAL)
}

#[test]
fn hints_are_remembered_by_the_map() {
    // A whole map each, so that none needs to be split.
    let status = in_child!({
        for (advice, name) in [
            (Advice::RANDOM, "rr"),
            (Advice::SEQUENTIAL, "sr"),
            (Advice::DONTFORK, "dc"),
            (Advice::DONTDUMP, "dd"),
            (Advice::WIPEONFORK, "wf"),
        ] {
            let pages = Pages::new(2);
            advise(pages.addr(), page_size(), advice).unwrap();
            assert!(Vma::at(pages.page(0)).unwrap().has(name), "{advice:?}");
            assert!(!Vma::at(pages.page(1)).unwrap().has(name), "{advice:?}");
        }
        for (first, second, name) in [
            (Advice::RANDOM, Advice::NORMAL, "rr"),
            (Advice::DONTFORK, Advice::DOFORK, "dc"),
            (Advice::DONTDUMP, Advice::DODUMP, "dd"),
            (Advice::WIPEONFORK, Advice::KEEPONFORK, "wf"),
        ] {
            let pages = Pages::new(1);
            advise(pages.addr(), page_size(), first).unwrap();
            advise(pages.addr(), page_size(), second).unwrap();
            assert!(!Vma::at(pages.addr()).unwrap().has(name), "{second:?}");
        }
    });
    assert!(status.success());
}

#[test]
fn transparent_huge_pages_are_asked_for_or_not() {
    if !knows(Advice::HUGEPAGE) {
        skip!("the kernel has no transparent huge pages");
    }
    let status = in_child!({
        let pages = Pages::new(1);
        advise(pages.addr(), page_size(), Advice::HUGEPAGE).unwrap();
        assert!(Vma::at(pages.addr()).unwrap().has("hg"));
        advise(pages.addr(), page_size(), Advice::NOHUGEPAGE).unwrap();
        assert!(Vma::at(pages.addr()).unwrap().has("nh"));
    });
    assert!(status.success());
}

#[test]
fn equal_pages_are_merged_or_not() {
    if !knows(Advice::MERGEABLE) {
        skip!("the kernel has no KSM");
    }
    let status = in_child!({
        let pages = Pages::new(1);
        advise(pages.addr(), page_size(), Advice::MERGEABLE).unwrap();
        assert!(Vma::at(pages.addr()).unwrap().has("mg"));
        advise(pages.addr(), page_size(), Advice::UNMERGEABLE).unwrap();
        assert!(!Vma::at(pages.addr()).unwrap().has("mg"));
    });
    assert!(status.success());
}

#[test]
fn dontneed_discards_private_bytes_and_keeps_shared_ones() {
    let pages = Pages::new(2);
    pages.set(0, 1);
    pages.set(page_size(), 1);
    advise(pages.addr(), 1, Advice::DONTNEED).unwrap();
    assert_eq!((pages.get(0), pages.get(page_size())), (0, 1));

    let private = file(1, RW, MapFlags::PRIVATE, memfd(1));
    private.set(0, 9);
    advise(private.addr(), page_size(), Advice::DONTNEED).unwrap();
    assert_eq!(private.get(0), 1);

    let shared = Pages::with(1, RW, MapFlags::SHARED);
    shared.set(0, 9);
    advise(shared.addr(), page_size(), Advice::DONTNEED).unwrap();
    assert_eq!(shared.get(0), 9);
}

#[test]
fn free_is_for_private_anonymous_memory() {
    let pages = Pages::new(1);
    pages.set(0, 1);
    advise(pages.addr(), page_size(), Advice::FREE).unwrap();
    assert!(matches!(pages.get(0), 0 | 1));
    pages.set(0, 2);
    assert_eq!(pages.get(0), 2);
    let shared = Pages::with(1, RW, MapFlags::SHARED);
    assert_eq!(
        advise(shared.addr(), page_size(), Advice::FREE),
        Err(Errno::INVAL)
    );
}

#[test]
fn remove_punches_a_hole_for_everybody() {
    let fd = memfd(2);
    let shared = file(2, RW, MapFlags::SHARED, &fd);
    advise(shared.page(1), page_size(), Advice::REMOVE).unwrap();
    assert_eq!((shared.get(0), shared.get(page_size())), (1, 0));
    let mut byte = [1];
    fd.read_exact_at(&mut byte, page_size() as u64).unwrap();
    assert_eq!(byte, [0]);
    let private = file(1, RW, MapFlags::PRIVATE, &fd);
    assert_eq!(
        advise(private.addr(), page_size(), Advice::REMOVE),
        Err(Errno::ACCESS)
    );
    let anonymous = Pages::new(1);
    assert_eq!(
        advise(anonymous.addr(), page_size(), Advice::REMOVE),
        Err(Errno::INVAL)
    );
}

#[test]
fn locked_memory_keeps_its_bytes_unless_told_twice() {
    let pages = Pages::new(1);
    // SAFETY: the page belongs to the test.
    if let Err(error) = unsafe { mlock(pages.addr(), page_size()) } {
        skip!("no right to lock a page: {error:?}");
    }
    pages.set(0, 1);
    for advice in [
        Advice::DONTNEED,
        Advice::FREE,
        Advice::COLD,
        Advice::PAGEOUT,
    ] {
        assert_eq!(
            advise(pages.addr(), page_size(), advice),
            Err(Errno::INVAL),
            "{advice:?}"
        );
    }
    assert_eq!(pages.get(0), 1);
    if knows(Advice::DONTNEED_LOCKED) {
        advise(pages.addr(), page_size(), Advice::DONTNEED_LOCKED).unwrap();
        assert_eq!(pages.get(0), 0);
    }
    // SAFETY: the page belongs to the test.
    unsafe { munlock(pages.addr(), page_size()) }.unwrap();
}

#[test]
fn cold_pageout_and_willneed_keep_bytes() {
    let fd = memfd(1);
    for pages in [
        Pages::new(1),
        file(1, RW, MapFlags::SHARED, &fd),
        file(1, RW, MapFlags::PRIVATE, &fd),
    ] {
        pages.set(7, 7);
        for advice in [Advice::COLD, Advice::PAGEOUT] {
            assert_eq!(
                advise(pages.addr(), page_size(), advice),
                Ok(()),
                "{advice:?}"
            );
        }
        // Without swap there is nothing to read anonymous memory from, and some kernels say so.
        let willneed = advise(pages.addr(), page_size(), Advice::WILLNEED);
        assert!(
            matches!(willneed, Ok(()) | Err(Errno::BADF)),
            "{willneed:?}"
        );
        assert_eq!(pages.get(7), 7);
    }
}

#[test]
fn populate_reports_what_touching_would_do() {
    needs!(populate);
    let status = in_child!({
        let pages = Pages::with(4, RW, MapFlags::PRIVATE | MapFlags::NORESERVE);
        advise(pages.addr(), pages.len(), Advice::POPULATE_WRITE).unwrap();
        assert_eq!(
            Vma::at(pages.addr()).unwrap().kilobytes("Rss"),
            pages.len() / 1024
        );
    });
    assert!(status.success());

    // The file ends after the first page.
    let map = file(2, RW, MapFlags::SHARED, memfd(1));
    assert_eq!(
        advise(map.page(0), page_size(), Advice::POPULATE_READ),
        Ok(())
    );
    assert_eq!(
        advise(map.addr(), map.len(), Advice::POPULATE_READ),
        Err(Errno::FAULT)
    );
    assert_eq!(
        advise(map.page(1), page_size(), Advice::POPULATE_WRITE),
        Err(Errno::FAULT)
    );

    let read_only = Pages::with(1, ProtFlags::READ, MapFlags::PRIVATE);
    assert_eq!(
        advise(read_only.addr(), page_size(), Advice::POPULATE_READ),
        Ok(())
    );
    assert_eq!(
        advise(read_only.addr(), page_size(), Advice::POPULATE_WRITE),
        Err(Errno::INVAL)
    );
    let none = Pages::with(1, ProtFlags::empty(), MapFlags::PRIVATE);
    assert_eq!(
        advise(none.addr(), page_size(), Advice::POPULATE_READ),
        Err(Errno::INVAL)
    );
}

#[test]
fn collapse_makes_a_huge_page() {
    const HUGE: usize = 2 << 20;
    needs!(collapse);
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) || page_size() != 4096 {
        skip!("huge pages have another size here");
    }
    let status = in_child!({
        let pages = Pages::with(
            2 * HUGE / page_size(),
            RW,
            MapFlags::PRIVATE | MapFlags::NORESERVE,
        );
        let offset = pages.addr().addr().next_multiple_of(HUGE) - pages.addr().addr();
        // Where huge pages are given to all, the first touch would give one.
        advise(pages.addr(), pages.len(), Advice::NOHUGEPAGE).unwrap();
        pages.set(offset + 5, 5);
        assert_eq!(Vma::at(pages.addr()).unwrap().kilobytes("AnonHugePages"), 0);
        advise(pages.addr(), pages.len(), Advice::HUGEPAGE).unwrap();
        advise(pages.byte(offset).cast(), HUGE, Advice::COLLAPSE).unwrap();
        assert_eq!(
            Vma::at(pages.addr()).unwrap().kilobytes("AnonHugePages"),
            HUGE / 1024
        );
        assert_eq!(pages.get(offset + 5), 5);
        // No huge page lies in the range, and then in the map.
        assert_eq!(
            advise(pages.byte(offset).cast(), page_size(), Advice::COLLAPSE),
            Ok(())
        );
        let shared = Pages::with(1, RW, MapFlags::SHARED);
        assert_eq!(
            advise(shared.addr(), page_size(), Advice::COLLAPSE),
            Err(Errno::INVAL)
        );
    });
    assert!(status.success());
}

#[test]
fn a_guard_is_a_signal_when_touched() {
    needs!(guard_regions);
    let status = in_child!({
        let pages = Pages::new(3);
        advise(pages.page(1), page_size(), Advice::GUARD_INSTALL).unwrap();
        pages.set(0, 1);
        pages.set(2 * page_size(), 1);
        pages.get(page_size());
    });
    assert_eq!(signal(status), Some(libc::SIGSEGV));
}

#[test]
fn a_guard_needs_no_map_of_its_own_and_can_be_removed() {
    needs!(guard_regions);
    let pages = Pages::new(3);
    pages.set(page_size(), 5);
    advise(pages.page(1), page_size(), Advice::GUARD_INSTALL).unwrap();
    let vma = Vma::at(pages.page(1)).unwrap();
    assert!(vma.start <= pages.page(0).addr());
    assert!(vma.end >= pages.page(2).addr() + page_size());

    let mut copy = vec![0; 2 * page_size()];
    let local = [IoVec::new(copy.as_mut_ptr().cast(), copy.len())];
    let remote = [IoVec::new(pages.addr(), 2 * page_size())];
    // SAFETY: the local range is `copy`, which nobody else uses.
    let answer = unsafe { process_vm_readv(gettid(), &local, &remote) };
    assert_eq!(answer, Ok(page_size()));

    // What is discarded does not take the guard with it.
    advise(pages.addr(), pages.len(), Advice::DONTNEED).unwrap();
    assert_eq!(
        advise(pages.page(1), page_size(), Advice::POPULATE_READ),
        Err(Errno::FAULT)
    );
    // SAFETY: the pages belong to the test, and nothing borrows from them.
    let answer = unsafe { mlock(pages.page(1), page_size()) };
    assert_eq!(answer, Err(Errno::NOMEM));
    // SAFETY: as above.
    unsafe { munlock(pages.addr(), pages.len()) }.unwrap();
    advise(pages.page(1), page_size(), Advice::GUARD_REMOVE).unwrap();
    assert_eq!(pages.get(page_size()), 0);
}

#[test]
fn guards_are_refused_on_locked_memory() {
    needs!(guard_regions);
    let pages = Pages::new(1);
    // SAFETY: the page belongs to the test.
    if let Err(error) = unsafe { mlock(pages.addr(), page_size()) } {
        skip!("no right to lock a page: {error:?}");
    }
    assert_eq!(
        advise(pages.addr(), page_size(), Advice::GUARD_INSTALL),
        Err(Errno::INVAL)
    );
}

#[test]
fn memory_can_be_poisoned_where_the_kernel_can_handle_it() {
    // Only with length 0: broken memory stays broken for ever.
    let can = std::fs::read_to_string("/proc/meminfo")
        .unwrap()
        .contains("HardwareCorrupted:");
    let expected = match (can, is_root()) {
        (false, _) => Err(Errno::INVAL),
        (true, true) => Ok(()),
        (true, false) => Err(Errno::PERM),
    };
    let pages = Pages::new(1);
    #[cfg(not(any(
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "mips64",
        target_arch = "mips64r6"
    )))]
    assert_eq!(zero_length(&pages, Advice::SOFT_OFFLINE), expected);
    assert_eq!(zero_length(&pages, Advice::HWPOISON), expected);
}

/// What the kernel says to advice about nothing; without a range it does not ask for rights.
fn zero_length(pages: &Pages, advice: Advice) -> Result<()> {
    match advise(pages.addr(), 0, advice) {
        Ok(()) if !is_root() => Err(Errno::PERM),
        answer => answer,
    }
}

#[test]
fn arguments_are_checked() {
    let pages = Pages::new(1);
    pages.set(0, 1);
    let dontneed = Advice::DONTNEED;
    assert_eq!(
        advise(pages.byte(1).cast(), page_size(), dontneed),
        Err(Errno::INVAL)
    );
    for len in [
        usize::MAX,
        usize::MAX - page_size() + 2,
        usize::MAX & !(page_size() - 1),
    ] {
        assert_eq!(
            advise(pages.addr(), len, dontneed),
            Err(Errno::INVAL),
            "{len:#x}"
        );
    }
    for unknown in [5, 99, 1000, u32::MAX] {
        let advice = Advice::from_raw(unknown);
        assert_eq!(advice.as_raw(), unknown);
        assert_eq!(
            advise(pages.addr(), page_size(), advice),
            Err(Errno::INVAL),
            "{unknown}"
        );
        assert_eq!(
            advise(pages.addr(), 0, advice),
            Err(Errno::INVAL),
            "{unknown}"
        );
    }
    assert_eq!(advise(pages.addr(), 0, dontneed), Ok(()));
    assert_eq!(pages.get(0), 1);
}

#[test]
fn the_call_goes_on_over_a_hole() {
    let status = in_child!({
        let pages = Pages::new(3);
        pages.set(2 * page_size(), 1);
        punch(&pages, 1, 1);
        assert_eq!(
            advise(pages.addr(), pages.len(), Advice::DONTNEED),
            Err(Errno::NOMEM)
        );
        assert_eq!(pages.get(2 * page_size()), 0);
    });
    assert!(status.success());
}

/// A pidfd of this process.
fn myself() -> OwnedFd {
    pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).expect("a pidfd")
}

/// A child that waits until it is killed, and a range of its memory.
struct Other {
    child: Child,
    pidfd: OwnedFd,
    range: IoVec,
}

impl Other {
    fn new() -> Self {
        let child = Command::new("sleep").arg("1000").spawn().expect("a child");
        let pid = rustix::process::Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd");
        let maps = loop {
            // Until execve is done, the maps are those of this process.
            let exe = std::fs::read_link(format!("/proc/{}/exe", child.id())).unwrap_or_default();
            let maps = std::fs::read_to_string(format!("/proc/{}/maps", child.id())).expect("maps");
            if exe != std::env::current_exe().expect("a path") && maps.contains("[stack]") {
                break maps;
            }
            std::thread::yield_now();
        };
        // The first map may be one of the kernel's own, which takes no advice.
        let stack = maps.lines().find(|line| line.ends_with("[stack]"));
        let (start, _) = stack.and_then(|line| line.split_once('-')).expect("a map");
        let start = usize::from_str_radix(start, 16).expect("an address");
        let range = IoVec::new(ptr::without_provenance_mut(start), page_size());
        Self {
            child,
            pidfd,
            range,
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.child.kill().expect("the child can be killed");
        self.child.wait().expect("the child ends");
    }
}

#[test]
fn many_ranges_are_advised_at_once() {
    needs!(process_madvise_self);
    let pages = Pages::new(5);
    for page in 0..5 {
        pages.set(page * page_size(), 1);
    }
    let ranges = [1, 3].map(|page| IoVec::new(pages.page(page), page_size()));
    assert_eq!(
        advise_process(myself(), &ranges, Advice::DONTNEED),
        Ok(2 * page_size())
    );
    let bytes = [0, 1, 2, 3, 4].map(|page| pages.get(page * page_size()));
    assert_eq!(bytes, [1, 0, 1, 0, 1]);
}

#[test]
fn the_bytes_before_a_range_that_fails_are_returned() {
    let pages = Pages::new(4);
    let good = IoVec::new(pages.page(0), 2 * page_size());
    let bad = IoVec::new(pages.byte(3 * page_size() + 1).cast(), page_size());
    assert_eq!(
        advise_process(myself(), &[good, bad], Advice::COLD),
        Ok(2 * page_size())
    );
    assert_eq!(
        advise_process(myself(), &[bad, good], Advice::COLD),
        Err(Errno::INVAL)
    );
}

#[test]
fn process_madvise_checks_its_arguments() {
    let pages = Pages::new(1);
    let range = IoVec::new(pages.addr(), page_size());
    let list = vec![range; 1025];
    assert_eq!(
        advise_process(myself(), &list[..1024], Advice::COLD),
        Ok(1024 * page_size())
    );
    assert_eq!(
        advise_process(myself(), &list, Advice::COLD),
        Err(Errno::INVAL)
    );
    assert_eq!(advise_process(myself(), &[], Advice::COLD), Ok(0));
    assert_eq!(
        advise_process(memfd(1), &[range], Advice::COLD),
        Err(Errno::BADF)
    );
    assert_eq!(
        advise_process(myself(), &[range], Advice::from_raw(99)),
        Err(Errno::INVAL)
    );
}

#[test]
fn pidfd_self_needs_no_pidfd() {
    let pages = Pages::new(1);
    let answer = advise_process(
        PIDFD_SELF,
        &[IoVec::new(pages.addr(), page_size())],
        Advice::COLD,
    );
    if older_than(6, 15) {
        assert_eq!(answer, Err(Errno::BADF));
        skip!("PIDFD_SELF needs Linux 6.15");
    }
    assert_eq!(answer, Ok(page_size()));
}

#[test]
fn another_process_takes_hints_only() {
    if !is_root() {
        skip!("advice to another process needs CAP_SYS_NICE");
    }
    let other = Other::new();
    for advice in [Advice::COLD, Advice::PAGEOUT] {
        assert_eq!(
            advise_process(&other.pidfd, &[other.range], advice),
            Ok(page_size()),
            "{advice:?}"
        );
    }
    if !older_than(5, 13) {
        assert_eq!(
            advise_process(&other.pidfd, &[other.range], Advice::WILLNEED),
            Ok(page_size())
        );
    }
    for advice in [
        Advice::DONTNEED,
        Advice::FREE,
        Advice::DONTFORK,
        Advice::GUARD_INSTALL,
    ] {
        assert_eq!(
            advise_process(&other.pidfd, &[other.range], advice),
            Err(Errno::INVAL),
            "{advice:?}"
        );
    }
}

#[test]
fn a_process_that_has_ended_has_no_memory() {
    let mut child = Command::new("true").spawn().unwrap();
    let pidfd = pidfd_open(
        rustix::process::Pid::from_child(&child),
        PidfdFlags::empty(),
    )
    .unwrap();
    child.wait().unwrap();
    let range = IoVec::new(ptr::without_provenance_mut(page_size()), page_size());
    assert_eq!(
        advise_process(pidfd, &[range], Advice::COLD),
        Err(Errno::SRCH)
    );
}

#[test]
fn a_file_map_made_unreadable_is_advised_all_the_same() {
    let pages = file(1, RW, MapFlags::SHARED, memfd(1));
    // SAFETY: the page belongs to the test, and nothing borrows from it.
    unsafe { mprotect(pages.addr(), page_size(), ProtFlags::empty().into()) }.unwrap();
    assert_eq!(advise(pages.addr(), page_size(), Advice::DONTNEED), Ok(()));
    assert_eq!(advise(pages.addr(), page_size(), Advice::REMOVE), Ok(()));
}

#[cfg(target_pointer_width = "64")]
#[test]
fn a_process_is_advised_on_two_gibibytes_at_once() {
    const GIB: usize = 1 << 30;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    let pages = Pages::with(5 * GIB / page_size(), ProtFlags::empty(), flags);
    let all = [IoVec::new(pages.addr(), pages.len())];
    // What was not advised can be seen in the answer.
    let most = 2 * GIB - page_size();
    assert_eq!(advise_process(myself(), &all, Advice::COLD), Ok(most));
    let rest = [IoVec::new(pages.byte(4 * GIB).cast(), GIB)];
    assert_eq!(advise_process(myself(), &rest, Advice::COLD), Ok(GIB));
}

#[test]
fn advice_that_makes_too_many_maps_is_to_be_tried_again() {
    let limit = Support::max_map_count().expect("a limit") as usize;
    if limit > 100_000 {
        skip!("vm.max_map_count is {limit}, which takes too long to reach");
    }
    let status = in_child!({
        let pages = Pages::with(2 * limit, RW, MapFlags::PRIVATE | MapFlags::NORESERVE);
        // Every second page with another advice makes two maps more.
        let refused = (0..limit)
            .find_map(|i| advise(pages.page(2 * i + 1), page_size(), Advice::DONTFORK).err());
        let expected = if older_than(5, 17) {
            Errno::NOMEM
        } else {
            Errno::AGAIN
        };
        assert_eq!(refused, Some(expected));
        // What needs no map is done.
        advise(pages.page(3), page_size(), Advice::DONTNEED).unwrap();
    });
    assert!(status.success(), "{status}");
}
