//! Every Linux memory-management call and constant, typed.
//!
#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!(
    "mmarinus-sys wraps the memory-management calls of Linux, so it builds for Linux and Android only"
);

mod advise;
mod huge_page;
mod lock;
mod map;
mod memfd;
mod name;
mod numa;
mod page;
mod pkey;
mod policy;
mod process;
mod procmap;
mod protect;
mod raw;
mod residency;
mod seal;
// The headers of the others have no flags for it.
#[cfg(not(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc",
    target_arch = "sparc64"
)))]
mod shadow_stack;
mod support;
mod sync;
mod transfer;
mod userfaultfd;

pub use advise::{Advice, madvise, process_madvise};
pub use huge_page::HugePage;
pub use lock::{MlockAllFlags, MlockFlags, mlock, mlock2, mlockall, munlock, munlockall};
pub use map::{
    MapFlags, RemapFlags, mmap, mmap_anonymous, mremap, mremap_fixed, munmap, remap_file_pages,
};
pub use memfd::{FallocateFlags, MemfdFlags, MemfdSecretFlags, SealFlags};
pub use memfd::{fallocate, fcntl_add_seals, fcntl_get_seals, memfd_create, memfd_secret};
pub use name::set_vma_anon_name;
pub use numa::{
    GetMempolicyFlags, MbindFlags, Mempolicy, MovePagesFlags, Mpol, MpolModeFlags, NodeMask,
    PageStatus, get_mempolicy, get_mempolicy_at, get_mempolicy_mems_allowed,
    get_mempolicy_next_node, get_mempolicy_node_at, get_mempolicy_of_thread, mbind, migrate_pages,
    move_pages, move_pages_status, set_mempolicy, set_mempolicy_home_node,
};
pub use page::page_size;
pub use pkey::{Pkey, PkeyRights, pkey_alloc, pkey_free, pkey_mprotect};
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub use pkey::{rdpkru, wrpkru};
pub use policy::{
    MdweFlags, ThpDisable, get_mdwe, get_memory_merge, get_thp_disable, set_mdwe, set_memory_merge,
    set_thp_disable,
};
pub use process::{
    IoVec, PIDFD_SELF, Pid, gettid, process_mrelease, process_vm_readv, process_vm_writev,
};
pub use procmap::{PAGEMAP_SCAN, PROCMAP_QUERY};
pub use procmap::{
    PageCategories, PageRegion, PagemapEntry, PagemapScan, PagemapScanFlags, PagemapScanned,
    ProcmapFlags, ProcmapVma, pagemap_read, pagemap_scan, procmap_query, procmap_query_named,
};
pub use protect::{MprotectFlags, ProtFlags, mprotect};
pub use residency::{CacheStat, cachestat, mincore};
pub use rustix::fd;
pub use rustix::io::Errno;
pub use seal::mseal;
#[cfg(not(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc",
    target_arch = "sparc64"
)))]
pub use shadow_stack::{ShadowStackFlags, map_shadow_stack};
pub use support::{HugePages, Overcommit, Support, ThpMode};
pub use sync::{MsyncFlags, msync};
pub use transfer::{preadv, pwritev, readv, writev};
pub use userfaultfd::{
    UFFD_API, UFFDIO_API, UFFDIO_CONTINUE, UFFDIO_COPY, UFFDIO_MOVE, UFFDIO_POISON,
    UFFDIO_REGISTER, UFFDIO_UNREGISTER, UFFDIO_WAKE, UFFDIO_WRITEPROTECT, UFFDIO_ZEROPAGE,
    USERFAULTFD_IOC_NEW,
};
pub use userfaultfd::{
    UffdContinueMode, UffdCopyMode, UffdEvent, UffdEventKind, UffdEvents, UffdFeatures, UffdInfo,
    UffdIoctls, UffdMoveMode, UffdMsg, UffdPagefaultFlags, UffdPoisonMode, UffdRegisterMode,
    UffdWriteprotectMode, UffdZeropageMode, UserfaultfdFlags, uffd_read, uffdio_api,
    uffdio_continue, uffdio_copy, uffdio_move, uffdio_poison, uffdio_register, uffdio_unregister,
    uffdio_wake, uffdio_writeprotect, uffdio_zeropage, userfaultfd, userfaultfd_ioc_new,
};

/// What every call returns: the kernel's answer, or its [`Errno`].
pub type Result<T, E = Errno> = core::result::Result<T, E>;
