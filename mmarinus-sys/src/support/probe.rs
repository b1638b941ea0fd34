//! Questions about features: each is a call that cannot do anything, and whose answer differs where the feature is missing.
#![expect(unsafe_code, reason = "the calls that are asked for are unsafe")]

use core::ffi::{CStr, c_void};
use core::ptr;

use linux_raw_sys::general as raw;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::Support;
use super::cached::Cached;
use crate::raw::syscall;
use crate::{
    Advice, Errno, MapFlags, MemfdFlags, MemfdSecretFlags, MprotectFlags, PageCategories,
    PagemapScan, Pkey, ProcmapFlags, ProtFlags, Result, UffdFeatures, UserfaultfdFlags, get_mdwe,
    get_memory_merge, get_mempolicy_mems_allowed, madvise, memfd_secret, mmap_anonymous, mseal,
    munmap, page_size, pagemap_scan, pkey_mprotect, process_madvise, procmap_query,
    set_mempolicy_home_node, set_vma_anon_name, uffdio_api, userfaultfd, userfaultfd_ioc_new,
};

/// Not the number of any open file.
const NO_FD: usize = usize::MAX;

/// Opens a file for reading.
pub(super) fn open(path: &CStr) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Gives an advice for no bytes, which a kernel that does not know it refuses.
fn advise_nothing(advice: Advice) -> Result<()> {
    // SAFETY: there is no byte in the range.
    unsafe { madvise(ptr::null_mut(), 0, advice) }
}

/// Scans no pages for a category, which a kernel that does not know it refuses.
fn scan_nothing(category: PageCategories) -> Result<()> {
    let scan = PagemapScan {
        mask: category,
        ..PagemapScan::default()
    };
    pagemap_scan(open(c"/proc/self/pagemap")?, 0..0, &scan, &mut [])?;
    Ok(())
}

/// Maps a page that nobody may touch, asks about it, and unmaps it.
fn with_page(kind: MapFlags, ask: impl FnOnce(*mut c_void) -> Result<()>) -> Result<()> {
    // SAFETY: no address is asked for, so nothing is replaced.
    let addr = unsafe { mmap_anonymous(ptr::null_mut(), page_size(), ProtFlags::empty(), kind)? };
    let answer = ask(addr.as_ptr());
    // SAFETY: the page has just been made here, and nobody else knows of it.
    unsafe { munmap(addr.as_ptr(), page_size())? };
    answer
}

/// Makes a userfaultfd by the device.
fn userfaultfd_by_device() -> Result<OwnedFd> {
    let device = open(c"/dev/userfaultfd")?;
    // SAFETY: the device has this name, and only root can give it to something else.
    unsafe { userfaultfd_ioc_new(device, UserfaultfdFlags::CLOEXEC) }
}

/// Makes a userfaultfd in the way that needs no privilege.
fn userfaultfd_of_user_mode() -> Result<OwnedFd> {
    userfaultfd(UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::USER_MODE_ONLY)
}

impl Support {
    /// Whether [`mseal`] is there (since Linux 6.10, on 64-bit kernels).
    #[must_use]
    pub fn mseal() -> bool {
        static ANSWER: Cached = Cached::new();
        // SAFETY: there is no byte in the range.
        ANSWER.succeeds(|| unsafe { mseal(ptr::null_mut(), 0) })
    }

    /// Whether `MADV_GUARD_INSTALL` and `MADV_GUARD_REMOVE` are there (since Linux 6.13, for anonymous memory).
    #[must_use]
    pub fn guard_regions() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| advise_nothing(Advice::GUARD_INSTALL))
    }

    /// Whether guards work in maps of files and shared memory too, and `pagemap` shows them (since Linux 6.15).
    ///
    /// The kernel learned both in one version, and is asked for the second.
    #[must_use]
    pub fn file_guard_regions() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| scan_nothing(PageCategories::GUARD))
    }

    /// Whether the CPU has protection keys and the kernel uses them: [`pkey_alloc`](crate::pkey_alloc).
    ///
    /// A call for nothing says too little, so the first question maps a page and unmaps it.
    #[must_use]
    pub fn pkeys() -> bool {
        static ANSWER: Cached = Cached::new();
        // On aarch64 the kernel counts key 0 as allocated even where the CPU has none, so the CPU is asked: `HWCAP2_POE`.
        #[cfg(target_arch = "aarch64")]
        if rustix::param::linux_hwcap().1 as u64 & 1 << 63 == 0 {
            return false;
        }
        // Without keys not even key 0 is good, which every page has.
        ANSWER.succeeds(|| {
            with_page(MapFlags::PRIVATE, |addr| {
                // SAFETY: nobody else knows of the page, which keeps the permissions and the key that it has.
                unsafe { pkey_mprotect(addr, page_size(), MprotectFlags::empty(), Pkey::DEFAULT) }
            })
        })
    }

    /// Whether [`memfd_secret`] is there and switched on (since Linux 5.14; by default since 6.5).
    #[must_use]
    pub fn memfd_secret() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.fails_with(Errno::INVAL, || {
            memfd_secret(MemfdSecretFlags::from_bits_retain(!0))
        })
    }

    /// Whether [`memfd_create`](crate::memfd_create) takes `MFD_NOEXEC_SEAL` and `MFD_EXEC` (since Linux 6.3).
    #[must_use]
    pub fn memfd_noexec_seal() -> bool {
        static ANSWER: Cached = Cached::new();
        let args = [0, MemfdFlags::NOEXEC_SEAL.bits() as usize, 0, 0, 0, 0];
        // SAFETY: there is no name at null, so the call fails.
        ANSWER.fails_with(Errno::FAULT, || unsafe {
            syscall(raw::__NR_memfd_create as _, args)
        })
    }

    /// Whether `MADV_POPULATE_READ` and `MADV_POPULATE_WRITE` are there (since Linux 5.14).
    #[must_use]
    pub fn populate() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| advise_nothing(Advice::POPULATE_READ))
    }

    /// Whether `MADV_DONTNEED_LOCKED` is there (since Linux 5.18).
    #[must_use]
    pub fn dontneed_locked() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| advise_nothing(Advice::DONTNEED_LOCKED))
    }

    /// Whether `MADV_COLLAPSE` is there (since Linux 6.1, with transparent huge pages).
    #[must_use]
    pub fn collapse() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| advise_nothing(Advice::COLLAPSE))
    }

    /// Whether `MADV_HWPOISON` and `MADV_SOFT_OFFLINE` are there, in kernels built for it; their use needs `CAP_SYS_ADMIN`.
    #[must_use]
    pub fn hwpoison() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| advise_nothing(Advice::HWPOISON))
    }

    /// Whether `MAP_DROPPABLE` is there (since Linux 6.11, on 64-bit kernels).
    ///
    /// No call for nothing tells, so the first question maps a page and unmaps it.
    #[must_use]
    pub fn droppable() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| with_page(MapFlags::DROPPABLE, |_| Ok(())))
    }

    /// Whether [`process_madvise`] is there (since Linux 5.10).
    #[must_use]
    pub fn process_madvise() -> bool {
        static ANSWER: Cached = Cached::new();
        // SAFETY: there is no process to act on.
        ANSWER.fails_with(Errno::BADF, || unsafe {
            syscall(
                raw::__NR_process_madvise as _,
                [NO_FD, 0, 0, raw::MADV_COLD as usize, 0, 0],
            )
        })
    }

    /// Whether [`process_madvise`] takes every advice for the own process (since Linux 6.13).
    #[must_use]
    pub fn process_madvise_self() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| {
            let own = pidfd_open(getpid(), PidfdFlags::empty())?;
            // SAFETY: there is no range to advise on.
            unsafe { process_madvise(&own, &[], Advice::DONTNEED) }
        })
    }

    /// Whether [`process_mrelease`](crate::process_mrelease) is there (since Linux 5.15).
    #[must_use]
    pub fn process_mrelease() -> bool {
        static ANSWER: Cached = Cached::new();
        // SAFETY: there is no process to act on.
        ANSWER.fails_with(Errno::BADF, || unsafe {
            syscall(raw::__NR_process_mrelease as _, [NO_FD, 0, 0, 0, 0, 0])
        })
    }

    /// Whether [`cachestat`](crate::cachestat) is there (since Linux 6.5).
    #[must_use]
    pub fn cachestat() -> bool {
        static ANSWER: Cached = Cached::new();
        // SAFETY: there is no file to ask about, and nowhere to write.
        ANSWER.fails_with(Errno::BADF, || unsafe {
            syscall(raw::__NR_cachestat as _, [NO_FD, 0, 0, 0, 0, 0])
        })
    }

    /// Whether [`procmap_query`] works on this process (since Linux 6.11, with `/proc` mounted).
    #[must_use]
    pub fn procmap_query() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| {
            let maps = open(c"/proc/self/maps")?;
            procmap_query(maps, ptr::null(), ProcmapFlags::COVERING_OR_NEXT_VMA)
        })
    }

    /// Whether [`pagemap_scan`] works on this process (since Linux 6.7, with `/proc` mounted).
    #[must_use]
    pub fn pagemap_scan() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| scan_nothing(PageCategories::PRESENT))
    }

    /// Whether [`userfaultfd`] makes one that handles faults of the kernel too: with `CAP_SYS_PTRACE`, or where
    /// `vm.unprivileged_userfaultfd` is 1.
    #[must_use]
    pub fn userfaultfd() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| userfaultfd(UserfaultfdFlags::CLOEXEC))
    }

    /// Whether [`userfaultfd`] makes one that handles faults of user space only (since Linux 5.11).
    #[must_use]
    pub fn userfaultfd_user_mode_only() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(userfaultfd_of_user_mode)
    }

    /// Whether [`userfaultfd_ioc_new`] makes one: the device is there, and may be opened (since Linux 6.1).
    #[must_use]
    pub fn userfaultfd_device() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(userfaultfd_by_device)
    }

    /// What a userfaultfd can do here; empty if none can be made, in whatever way.
    #[must_use]
    pub fn userfaultfd_features() -> UffdFeatures {
        static ANSWER: Cached = Cached::new();
        let features = ANSWER.number(|| {
            let uffd = userfaultfd(UserfaultfdFlags::CLOEXEC);
            let uffd = uffd
                .or_else(|_| userfaultfd_of_user_mode())
                .or_else(|_| userfaultfd_by_device())?;
            Ok(uffdio_api(&uffd, UffdFeatures::empty())?.features.bits())
        });
        UffdFeatures::from_bits_retain(features)
    }

    /// Whether anonymous memory can be named: [`set_vma_anon_name`] (since Linux 5.17, in kernels built for it).
    #[must_use]
    pub fn vma_anon_name() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| set_vma_anon_name(ptr::null_mut(), 0, None))
    }

    /// Whether new executable memory can be refused: [`set_mdwe`](crate::set_mdwe) (since Linux 6.3).
    #[must_use]
    pub fn mdwe() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(get_mdwe)
    }

    /// Whether equal pages can be merged: [`set_memory_merge`](crate::set_memory_merge) (since Linux 6.4, with KSM).
    #[must_use]
    pub fn memory_merge() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(get_memory_merge)
    }

    /// Whether the kernel is built with NUMA, be it for one node: [`mbind`](crate::mbind).
    #[must_use]
    pub fn numa() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(get_mempolicy_mems_allowed)
    }

    /// Whether [`set_mempolicy_home_node`] is there (since Linux 5.17, with NUMA).
    #[must_use]
    pub fn mempolicy_home_node() -> bool {
        static ANSWER: Cached = Cached::new();
        ANSWER.succeeds(|| match set_mempolicy_home_node(ptr::null_mut(), 0, 0) {
            // Node 0 need not be online.
            Err(Errno::INVAL) => Ok(()),
            asked => asked,
        })
    }

    /// Whether the CPU has shadow stacks and the kernel hands them out: `map_shadow_stack` (x86 since Linux 6.6, aarch64
    /// since 6.13).
    #[must_use]
    pub fn shadow_stack() -> bool {
        static ANSWER: Cached = Cached::new();
        // SAFETY: no kernel knows all flags, so the call fails.
        ANSWER.fails_with(Errno::INVAL, || unsafe {
            syscall(
                raw::__NR_map_shadow_stack as _,
                [0, 0, u32::MAX as usize, 0, 0, 0],
            )
        })
    }
}
