//! The kernel's names: what covers each is there and, on x86_64, has the kernel's value.
//!
//! Written by `cargo xtask abi --write` from `xtask/abi.tsv`. `cargo xtask abi` compares that with the kernel's headers, and
//! for other architectures too.
#![cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]

use linux_raw_sys as raw;
use mmarinus_sys::*;

/// The functions that make the calls; they are named here, and the compiler finds them.
#[rustfmt::skip]
#[allow(unused_imports, reason = "to name them is the test")]
mod functions {
    use mmarinus_sys::cachestat as _;
    use mmarinus_sys::fallocate as _;
    use mmarinus_sys::fcntl_add_seals as _;
    use mmarinus_sys::fcntl_get_seals as _;
    use mmarinus_sys::get_mdwe as _;
    use mmarinus_sys::get_memory_merge as _;
    use mmarinus_sys::get_mempolicy as _;
    use mmarinus_sys::get_thp_disable as _;
    use mmarinus_sys::madvise as _;
    use mmarinus_sys::map_shadow_stack as _;
    use mmarinus_sys::mbind as _;
    use mmarinus_sys::memfd_create as _;
    use mmarinus_sys::memfd_secret as _;
    use mmarinus_sys::migrate_pages as _;
    use mmarinus_sys::mincore as _;
    use mmarinus_sys::mlock as _;
    use mmarinus_sys::mlock2 as _;
    use mmarinus_sys::mlockall as _;
    use mmarinus_sys::mmap as _;
    use mmarinus_sys::move_pages as _;
    use mmarinus_sys::mprotect as _;
    use mmarinus_sys::mremap as _;
    use mmarinus_sys::mremap_fixed as _;
    use mmarinus_sys::mseal as _;
    use mmarinus_sys::msync as _;
    use mmarinus_sys::munlock as _;
    use mmarinus_sys::munlockall as _;
    use mmarinus_sys::munmap as _;
    use mmarinus_sys::pkey_alloc as _;
    use mmarinus_sys::pkey_free as _;
    use mmarinus_sys::pkey_mprotect as _;
    use mmarinus_sys::process_madvise as _;
    use mmarinus_sys::process_mrelease as _;
    use mmarinus_sys::process_vm_readv as _;
    use mmarinus_sys::process_vm_writev as _;
    use mmarinus_sys::remap_file_pages as _;
    use mmarinus_sys::set_mdwe as _;
    use mmarinus_sys::set_memory_merge as _;
    use mmarinus_sys::set_mempolicy as _;
    use mmarinus_sys::set_mempolicy_home_node as _;
    use mmarinus_sys::set_thp_disable as _;
    use mmarinus_sys::set_vma_anon_name as _;
    use mmarinus_sys::userfaultfd as _;
}

/// What covers names whose value no header has.
#[rustfmt::skip]
const _: () = {
    let _ = PagemapEntry::pfn;
    let _ = PagemapEntry::SOFT_DIRTY.bits();
    let _ = PagemapEntry::MMAP_EXCLUSIVE.bits();
    let _ = PagemapEntry::UFFD_WP.bits();
    let _ = PagemapEntry::GUARD_REGION.bits();
    let _ = PagemapEntry::FILE.bits();
    let _ = PagemapEntry::SWAP.bits();
    let _ = PagemapEntry::PRESENT.bits();
};

/// A name, our value, and the kernel's.
#[rustfmt::skip]
#[allow(clippy::unnecessary_cast, reason = "flags are of several widths")]
const VALUES: &[(&str, u64, u64)] = &[
    ("syscall mmap", (raw::general::__NR_mmap) as u64, 0x9),
    ("syscall munmap", (raw::general::__NR_munmap) as u64, 0xb),
    ("MAP_SHARED", (MapFlags::SHARED.bits()) as u64, 0x1),
    ("MAP_PRIVATE", (MapFlags::PRIVATE.bits()) as u64, 0x2),
    ("MAP_SHARED_VALIDATE", (MapFlags::SHARED_VALIDATE.bits()) as u64, 0x3),
    ("MAP_DROPPABLE", (MapFlags::DROPPABLE.bits()) as u64, 0x8),
    ("MAP_FIXED", (MapFlags::FIXED.bits()) as u64, 0x10),
    ("MAP_FIXED_NOREPLACE", (MapFlags::FIXED_NOREPLACE.bits()) as u64, 0x100000),
    ("MAP_ANONYMOUS", (MapFlags::ANONYMOUS.bits()) as u64, 0x20),
    ("MAP_32BIT", (MapFlags::_32BIT.bits()) as u64, 0x40),
    ("MAP_ABOVE4G", (MapFlags::ABOVE4G.bits()) as u64, 0x80),
    ("MAP_GROWSDOWN", (MapFlags::GROWSDOWN.bits()) as u64, 0x100),
    ("MAP_DENYWRITE", (MapFlags::DENYWRITE.bits()) as u64, 0x800),
    ("MAP_EXECUTABLE", (MapFlags::EXECUTABLE.bits()) as u64, 0x1000),
    ("MAP_LOCKED", (MapFlags::LOCKED.bits()) as u64, 0x2000),
    ("MAP_NORESERVE", (MapFlags::NORESERVE.bits()) as u64, 0x4000),
    ("MAP_POPULATE", (MapFlags::POPULATE.bits()) as u64, 0x8000),
    ("MAP_NONBLOCK", (MapFlags::NONBLOCK.bits()) as u64, 0x10000),
    ("MAP_STACK", (MapFlags::STACK.bits()) as u64, 0x20000),
    ("MAP_HUGETLB", (MapFlags::HUGETLB.bits()) as u64, 0x40000),
    ("MAP_SYNC", (MapFlags::SYNC.bits()) as u64, 0x80000),
    ("MAP_UNINITIALIZED", (MapFlags::UNINITIALIZED.bits()) as u64, 0x4000000),
    ("MAP_HUGE_16KB", (HugePage::SIZE_16KB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x38000000),
    ("MAP_HUGE_64KB", (HugePage::SIZE_64KB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x40000000),
    ("MAP_HUGE_512KB", (HugePage::SIZE_512KB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x4c000000),
    ("MAP_HUGE_1MB", (HugePage::SIZE_1MB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x50000000),
    ("MAP_HUGE_2MB", (HugePage::SIZE_2MB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x54000000),
    ("MAP_HUGE_8MB", (HugePage::SIZE_8MB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x5c000000),
    ("MAP_HUGE_16MB", (HugePage::SIZE_16MB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x60000000),
    ("MAP_HUGE_32MB", (HugePage::SIZE_32MB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x64000000),
    ("MAP_HUGE_256MB", (HugePage::SIZE_256MB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x70000000),
    ("MAP_HUGE_512MB", (HugePage::SIZE_512MB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x74000000),
    ("MAP_HUGE_1GB", (HugePage::SIZE_1GB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x78000000),
    ("MAP_HUGE_2GB", (HugePage::SIZE_2GB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x7c000000),
    ("MAP_HUGE_16GB", (HugePage::SIZE_16GB.map_flags().difference(MapFlags::HUGETLB).bits()) as u64, 0x88000000),
    ("PROT_NONE", (ProtFlags::empty().bits()) as u64, 0x0),
    ("PROT_READ", (ProtFlags::READ.bits()) as u64, 0x1),
    ("PROT_WRITE", (ProtFlags::WRITE.bits()) as u64, 0x2),
    ("PROT_EXEC", (ProtFlags::EXEC.bits()) as u64, 0x4),
    ("PROT_SEM", (ProtFlags::SEM.bits()) as u64, 0x8),
    ("PROT_GROWSDOWN", (MprotectFlags::GROWSDOWN.bits()) as u64, 0x1000000),
    ("PROT_GROWSUP", (MprotectFlags::GROWSUP.bits()) as u64, 0x2000000),
    ("syscall mremap", (raw::general::__NR_mremap) as u64, 0x19),
    ("MREMAP_MAYMOVE", (RemapFlags::MAYMOVE.bits()) as u64, 0x1),
    ("MREMAP_FIXED", (raw::general::MREMAP_FIXED) as u64, 0x2),
    ("MREMAP_DONTUNMAP", (RemapFlags::DONTUNMAP.bits()) as u64, 0x4),
    ("syscall madvise", (raw::general::__NR_madvise) as u64, 0x1c),
    ("MADV_NORMAL", (Advice::NORMAL.as_raw()) as u64, 0x0),
    ("MADV_RANDOM", (Advice::RANDOM.as_raw()) as u64, 0x1),
    ("MADV_SEQUENTIAL", (Advice::SEQUENTIAL.as_raw()) as u64, 0x2),
    ("MADV_WILLNEED", (Advice::WILLNEED.as_raw()) as u64, 0x3),
    ("MADV_DONTNEED", (Advice::DONTNEED.as_raw()) as u64, 0x4),
    ("MADV_FREE", (Advice::FREE.as_raw()) as u64, 0x8),
    ("MADV_REMOVE", (Advice::REMOVE.as_raw()) as u64, 0x9),
    ("MADV_DONTFORK", (Advice::DONTFORK.as_raw()) as u64, 0xa),
    ("MADV_DOFORK", (Advice::DOFORK.as_raw()) as u64, 0xb),
    ("MADV_MERGEABLE", (Advice::MERGEABLE.as_raw()) as u64, 0xc),
    ("MADV_UNMERGEABLE", (Advice::UNMERGEABLE.as_raw()) as u64, 0xd),
    ("MADV_HUGEPAGE", (Advice::HUGEPAGE.as_raw()) as u64, 0xe),
    ("MADV_NOHUGEPAGE", (Advice::NOHUGEPAGE.as_raw()) as u64, 0xf),
    ("MADV_DONTDUMP", (Advice::DONTDUMP.as_raw()) as u64, 0x10),
    ("MADV_DODUMP", (Advice::DODUMP.as_raw()) as u64, 0x11),
    ("MADV_WIPEONFORK", (Advice::WIPEONFORK.as_raw()) as u64, 0x12),
    ("MADV_KEEPONFORK", (Advice::KEEPONFORK.as_raw()) as u64, 0x13),
    ("MADV_COLD", (Advice::COLD.as_raw()) as u64, 0x14),
    ("MADV_PAGEOUT", (Advice::PAGEOUT.as_raw()) as u64, 0x15),
    ("MADV_POPULATE_READ", (Advice::POPULATE_READ.as_raw()) as u64, 0x16),
    ("MADV_POPULATE_WRITE", (Advice::POPULATE_WRITE.as_raw()) as u64, 0x17),
    ("MADV_DONTNEED_LOCKED", (Advice::DONTNEED_LOCKED.as_raw()) as u64, 0x18),
    ("MADV_COLLAPSE", (Advice::COLLAPSE.as_raw()) as u64, 0x19),
    ("MADV_HWPOISON", (Advice::HWPOISON.as_raw()) as u64, 0x64),
    ("MADV_SOFT_OFFLINE", (Advice::SOFT_OFFLINE.as_raw()) as u64, 0x65),
    ("MADV_GUARD_INSTALL", (Advice::GUARD_INSTALL.as_raw()) as u64, 0x66),
    ("MADV_GUARD_REMOVE", (Advice::GUARD_REMOVE.as_raw()) as u64, 0x67),
    ("syscall msync", (raw::general::__NR_msync) as u64, 0x1a),
    ("MS_ASYNC", (MsyncFlags::ASYNC.bits()) as u64, 0x1),
    ("MS_INVALIDATE", (MsyncFlags::INVALIDATE.bits()) as u64, 0x2),
    ("MS_SYNC", (MsyncFlags::SYNC.bits()) as u64, 0x4),
    ("syscall mlock", (raw::general::__NR_mlock) as u64, 0x95),
    ("syscall mlock2", (raw::general::__NR_mlock2) as u64, 0x145),
    ("syscall munlock", (raw::general::__NR_munlock) as u64, 0x96),
    ("MLOCK_ONFAULT", (MlockFlags::ONFAULT.bits()) as u64, 0x1),
    ("syscall mlockall", (raw::general::__NR_mlockall) as u64, 0x97),
    ("syscall munlockall", (raw::general::__NR_munlockall) as u64, 0x98),
    ("MCL_CURRENT", (MlockAllFlags::CURRENT.bits()) as u64, 0x1),
    ("MCL_FUTURE", (MlockAllFlags::FUTURE.bits()) as u64, 0x2),
    ("MCL_ONFAULT", (MlockAllFlags::ONFAULT.bits()) as u64, 0x4),
    ("syscall mprotect", (raw::general::__NR_mprotect) as u64, 0xa),
    ("syscall pkey_alloc", (raw::general::__NR_pkey_alloc) as u64, 0x14a),
    ("syscall pkey_free", (raw::general::__NR_pkey_free) as u64, 0x14b),
    ("syscall pkey_mprotect", (raw::general::__NR_pkey_mprotect) as u64, 0x149),
    ("PKEY_UNRESTRICTED", (PkeyRights::UNRESTRICTED.bits()) as u64, 0x0),
    ("PKEY_DISABLE_ACCESS", (PkeyRights::DISABLE_ACCESS.bits()) as u64, 0x1),
    ("PKEY_DISABLE_WRITE", (PkeyRights::DISABLE_WRITE.bits()) as u64, 0x2),
    ("PKEY_ACCESS_MASK", (PkeyRights::ACCESS_MASK.bits()) as u64, 0x3),
    ("syscall memfd_create", (raw::general::__NR_memfd_create) as u64, 0x13f),
    ("MFD_CLOEXEC", (MemfdFlags::CLOEXEC.bits()) as u64, 0x1),
    ("MFD_ALLOW_SEALING", (MemfdFlags::ALLOW_SEALING.bits()) as u64, 0x2),
    ("MFD_HUGETLB", (MemfdFlags::HUGETLB.bits()) as u64, 0x4),
    ("MFD_NOEXEC_SEAL", (MemfdFlags::NOEXEC_SEAL.bits()) as u64, 0x8),
    ("MFD_EXEC", (MemfdFlags::EXEC.bits()) as u64, 0x10),
    ("MFD_HUGE_64KB", (HugePage::SIZE_64KB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x40000000),
    ("MFD_HUGE_512KB", (HugePage::SIZE_512KB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x4c000000),
    ("MFD_HUGE_1MB", (HugePage::SIZE_1MB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x50000000),
    ("MFD_HUGE_2MB", (HugePage::SIZE_2MB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x54000000),
    ("MFD_HUGE_8MB", (HugePage::SIZE_8MB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x5c000000),
    ("MFD_HUGE_16MB", (HugePage::SIZE_16MB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x60000000),
    ("MFD_HUGE_32MB", (HugePage::SIZE_32MB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x64000000),
    ("MFD_HUGE_256MB", (HugePage::SIZE_256MB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x70000000),
    ("MFD_HUGE_512MB", (HugePage::SIZE_512MB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x74000000),
    ("MFD_HUGE_1GB", (HugePage::SIZE_1GB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x78000000),
    ("MFD_HUGE_2GB", (HugePage::SIZE_2GB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x7c000000),
    ("MFD_HUGE_16GB", (HugePage::SIZE_16GB.memfd_flags().difference(MemfdFlags::HUGETLB).bits()) as u64, 0x88000000),
    ("F_ADD_SEALS", (raw::general::F_ADD_SEALS) as u64, 0x409),
    ("F_GET_SEALS", (raw::general::F_GET_SEALS) as u64, 0x40a),
    ("F_SEAL_SEAL", (SealFlags::SEAL.bits()) as u64, 0x1),
    ("F_SEAL_SHRINK", (SealFlags::SHRINK.bits()) as u64, 0x2),
    ("F_SEAL_GROW", (SealFlags::GROW.bits()) as u64, 0x4),
    ("F_SEAL_WRITE", (SealFlags::WRITE.bits()) as u64, 0x8),
    ("F_SEAL_FUTURE_WRITE", (SealFlags::FUTURE_WRITE.bits()) as u64, 0x10),
    ("F_SEAL_EXEC", (SealFlags::EXEC.bits()) as u64, 0x20),
    ("syscall userfaultfd", (raw::general::__NR_userfaultfd) as u64, 0x143),
    ("UFFD_USER_MODE_ONLY", (UserfaultfdFlags::USER_MODE_ONLY.bits()) as u64, 0x1),
    ("USERFAULTFD_IOC", ((USERFAULTFD_IOC_NEW >> 8) & 0xff) as u64, 0xaa),
    ("USERFAULTFD_IOC_NEW", (USERFAULTFD_IOC_NEW) as u64, 0xaa00),
    ("UFFD_API", (UFFD_API) as u64, 0xaa),
    ("UFFDIO_API", (UFFDIO_API) as u64, 0xc018aa3f),
    ("UFFDIO_REGISTER", (UFFDIO_REGISTER) as u64, 0xc020aa00),
    ("UFFDIO_UNREGISTER", (UFFDIO_UNREGISTER) as u64, 0x8010aa01),
    ("UFFDIO_WAKE", (UFFDIO_WAKE) as u64, 0x8010aa02),
    ("UFFDIO_COPY", (UFFDIO_COPY) as u64, 0xc028aa03),
    ("UFFDIO_ZEROPAGE", (UFFDIO_ZEROPAGE) as u64, 0xc020aa04),
    ("UFFDIO_MOVE", (UFFDIO_MOVE) as u64, 0xc028aa05),
    ("UFFDIO_WRITEPROTECT", (UFFDIO_WRITEPROTECT) as u64, 0xc018aa06),
    ("UFFDIO_CONTINUE", (UFFDIO_CONTINUE) as u64, 0xc020aa07),
    ("UFFDIO_POISON", (UFFDIO_POISON) as u64, 0xc020aa08),
    ("UFFDIO_REGISTER_MODE_MISSING", (UffdRegisterMode::MISSING.bits()) as u64, 0x1),
    ("UFFDIO_REGISTER_MODE_WP", (UffdRegisterMode::WP.bits()) as u64, 0x2),
    ("UFFDIO_REGISTER_MODE_MINOR", (UffdRegisterMode::MINOR.bits()) as u64, 0x4),
    ("UFFDIO_COPY_MODE_DONTWAKE", (UffdCopyMode::DONTWAKE.bits()) as u64, 0x1),
    ("UFFDIO_COPY_MODE_WP", (UffdCopyMode::WP.bits()) as u64, 0x2),
    ("UFFDIO_ZEROPAGE_MODE_DONTWAKE", (UffdZeropageMode::DONTWAKE.bits()) as u64, 0x1),
    ("UFFDIO_WRITEPROTECT_MODE_WP", (UffdWriteprotectMode::WP.bits()) as u64, 0x1),
    ("UFFDIO_WRITEPROTECT_MODE_DONTWAKE", (UffdWriteprotectMode::DONTWAKE.bits()) as u64, 0x2),
    ("UFFDIO_CONTINUE_MODE_DONTWAKE", (UffdContinueMode::DONTWAKE.bits()) as u64, 0x1),
    ("UFFDIO_CONTINUE_MODE_WP", (UffdContinueMode::WP.bits()) as u64, 0x2),
    ("UFFDIO_POISON_MODE_DONTWAKE", (UffdPoisonMode::DONTWAKE.bits()) as u64, 0x1),
    ("UFFDIO_MOVE_MODE_DONTWAKE", (UffdMoveMode::DONTWAKE.bits()) as u64, 0x1),
    ("UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES", (UffdMoveMode::ALLOW_SRC_HOLES.bits()) as u64, 0x2),
    ("UFFD_FEATURE_PAGEFAULT_FLAG_WP", (UffdFeatures::PAGEFAULT_FLAG_WP.bits()) as u64, 0x1),
    ("UFFD_FEATURE_EVENT_FORK", (UffdFeatures::EVENT_FORK.bits()) as u64, 0x2),
    ("UFFD_FEATURE_EVENT_REMAP", (UffdFeatures::EVENT_REMAP.bits()) as u64, 0x4),
    ("UFFD_FEATURE_EVENT_REMOVE", (UffdFeatures::EVENT_REMOVE.bits()) as u64, 0x8),
    ("UFFD_FEATURE_MISSING_HUGETLBFS", (UffdFeatures::MISSING_HUGETLBFS.bits()) as u64, 0x10),
    ("UFFD_FEATURE_MISSING_SHMEM", (UffdFeatures::MISSING_SHMEM.bits()) as u64, 0x20),
    ("UFFD_FEATURE_EVENT_UNMAP", (UffdFeatures::EVENT_UNMAP.bits()) as u64, 0x40),
    ("UFFD_FEATURE_SIGBUS", (UffdFeatures::SIGBUS.bits()) as u64, 0x80),
    ("UFFD_FEATURE_THREAD_ID", (UffdFeatures::THREAD_ID.bits()) as u64, 0x100),
    ("UFFD_FEATURE_MINOR_HUGETLBFS", (UffdFeatures::MINOR_HUGETLBFS.bits()) as u64, 0x200),
    ("UFFD_FEATURE_MINOR_SHMEM", (UffdFeatures::MINOR_SHMEM.bits()) as u64, 0x400),
    ("UFFD_FEATURE_EXACT_ADDRESS", (UffdFeatures::EXACT_ADDRESS.bits()) as u64, 0x800),
    ("UFFD_FEATURE_WP_HUGETLBFS_SHMEM", (UffdFeatures::WP_HUGETLBFS_SHMEM.bits()) as u64, 0x1000),
    ("UFFD_FEATURE_WP_UNPOPULATED", (UffdFeatures::WP_UNPOPULATED.bits()) as u64, 0x2000),
    ("UFFD_FEATURE_POISON", (UffdFeatures::POISON.bits()) as u64, 0x4000),
    ("UFFD_FEATURE_WP_ASYNC", (UffdFeatures::WP_ASYNC.bits()) as u64, 0x8000),
    ("UFFD_FEATURE_MOVE", (UffdFeatures::MOVE.bits()) as u64, 0x10000),
    ("UFFD_EVENT_PAGEFAULT", (UffdEventKind::PAGEFAULT.0) as u64, 0x12),
    ("UFFD_EVENT_FORK", (UffdEventKind::FORK.0) as u64, 0x13),
    ("UFFD_EVENT_REMAP", (UffdEventKind::REMAP.0) as u64, 0x14),
    ("UFFD_EVENT_REMOVE", (UffdEventKind::REMOVE.0) as u64, 0x15),
    ("UFFD_EVENT_UNMAP", (UffdEventKind::UNMAP.0) as u64, 0x16),
    ("UFFD_PAGEFAULT_FLAG_WRITE", (UffdPagefaultFlags::WRITE.bits()) as u64, 0x1),
    ("UFFD_PAGEFAULT_FLAG_WP", (UffdPagefaultFlags::WP.bits()) as u64, 0x2),
    ("UFFD_PAGEFAULT_FLAG_MINOR", (UffdPagefaultFlags::MINOR.bits()) as u64, 0x4),
    ("struct uffdio_api", (size_of::<raw::general::uffdio_api>()) as u64, 0x18),
    ("struct uffdio_range", (size_of::<raw::general::uffdio_range>()) as u64, 0x10),
    ("struct uffdio_register", (size_of::<raw::general::uffdio_register>()) as u64, 0x20),
    ("struct uffdio_copy", (size_of::<raw::general::uffdio_copy>()) as u64, 0x28),
    ("struct uffdio_zeropage", (size_of::<raw::general::uffdio_zeropage>()) as u64, 0x20),
    ("struct uffdio_move", (size_of::<raw::general::uffdio_move>()) as u64, 0x28),
    ("struct uffdio_writeprotect", (size_of::<raw::general::uffdio_writeprotect>()) as u64, 0x18),
    ("struct uffdio_continue", (size_of::<raw::general::uffdio_continue>()) as u64, 0x20),
    ("struct uffdio_poison", (size_of::<raw::general::uffdio_poison>()) as u64, 0x20),
    ("struct uffd_msg", (size_of::<UffdMsg>()) as u64, 0x20),
    ("syscall mbind", (raw::general::__NR_mbind) as u64, 0xed),
    ("syscall get_mempolicy", (raw::general::__NR_get_mempolicy) as u64, 0xef),
    ("syscall set_mempolicy", (raw::general::__NR_set_mempolicy) as u64, 0xee),
    ("syscall set_mempolicy_home_node", (raw::general::__NR_set_mempolicy_home_node) as u64, 0x1c2),
    ("syscall move_pages", (raw::general::__NR_move_pages) as u64, 0x117),
    ("syscall migrate_pages", (raw::general::__NR_migrate_pages) as u64, 0x100),
    ("MPOL_DEFAULT", (Mpol::DEFAULT.0) as u64, 0x0),
    ("MPOL_PREFERRED", (Mpol::PREFERRED.0) as u64, 0x1),
    ("MPOL_BIND", (Mpol::BIND.0) as u64, 0x2),
    ("MPOL_INTERLEAVE", (Mpol::INTERLEAVE.0) as u64, 0x3),
    ("MPOL_LOCAL", (Mpol::LOCAL.0) as u64, 0x4),
    ("MPOL_PREFERRED_MANY", (Mpol::PREFERRED_MANY.0) as u64, 0x5),
    ("MPOL_WEIGHTED_INTERLEAVE", (Mpol::WEIGHTED_INTERLEAVE.0) as u64, 0x6),
    ("MPOL_F_STATIC_NODES", (MpolModeFlags::STATIC_NODES.bits()) as u64, 0x8000),
    ("MPOL_F_RELATIVE_NODES", (MpolModeFlags::RELATIVE_NODES.bits()) as u64, 0x4000),
    ("MPOL_F_NUMA_BALANCING", (MpolModeFlags::NUMA_BALANCING.bits()) as u64, 0x2000),
    ("MPOL_F_NODE", (GetMempolicyFlags::NODE.bits()) as u64, 0x1),
    ("MPOL_F_ADDR", (GetMempolicyFlags::ADDR.bits()) as u64, 0x2),
    ("MPOL_F_MEMS_ALLOWED", (GetMempolicyFlags::MEMS_ALLOWED.bits()) as u64, 0x4),
    ("MPOL_MF_STRICT", (MbindFlags::STRICT.bits()) as u64, 0x1),
    ("MPOL_MF_MOVE", (MbindFlags::MOVE.bits()) as u64, 0x2),
    ("MPOL_MF_MOVE_ALL", (MbindFlags::MOVE_ALL.bits()) as u64, 0x4),
    ("syscall prctl", (raw::general::__NR_prctl) as u64, 0x9d),
    ("PR_SET_VMA", (raw::prctl::PR_SET_VMA) as u64, 0x53564d41),
    ("PR_SET_VMA_ANON_NAME", (raw::prctl::PR_SET_VMA_ANON_NAME) as u64, 0x0),
    ("PR_SET_THP_DISABLE", (raw::prctl::PR_SET_THP_DISABLE) as u64, 0x29),
    ("PR_GET_THP_DISABLE", (raw::prctl::PR_GET_THP_DISABLE) as u64, 0x2a),
    ("PR_THP_DISABLE_EXCEPT_ADVISED", (ThpDisable::EXCEPT_ADVISED.bits()) as u64, 0x2),
    ("PR_SET_MDWE", (raw::prctl::PR_SET_MDWE) as u64, 0x41),
    ("PR_GET_MDWE", (raw::prctl::PR_GET_MDWE) as u64, 0x42),
    ("PR_MDWE_REFUSE_EXEC_GAIN", (MdweFlags::REFUSE_EXEC_GAIN.bits()) as u64, 0x1),
    ("PR_MDWE_NO_INHERIT", (MdweFlags::NO_INHERIT.bits()) as u64, 0x2),
    ("PR_SET_MEMORY_MERGE", (raw::prctl::PR_SET_MEMORY_MERGE) as u64, 0x43),
    ("PR_GET_MEMORY_MERGE", (raw::prctl::PR_GET_MEMORY_MERGE) as u64, 0x44),
    ("syscall fallocate", (raw::general::__NR_fallocate) as u64, 0x11d),
    ("FALLOC_FL_KEEP_SIZE", (FallocateFlags::KEEP_SIZE.bits()) as u64, 0x1),
    ("FALLOC_FL_PUNCH_HOLE", (FallocateFlags::PUNCH_HOLE.bits()) as u64, 0x2),
    ("FALLOC_FL_NO_HIDE_STALE", (FallocateFlags::NO_HIDE_STALE.bits()) as u64, 0x4),
    ("FALLOC_FL_COLLAPSE_RANGE", (FallocateFlags::COLLAPSE_RANGE.bits()) as u64, 0x8),
    ("FALLOC_FL_ZERO_RANGE", (FallocateFlags::ZERO_RANGE.bits()) as u64, 0x10),
    ("FALLOC_FL_INSERT_RANGE", (FallocateFlags::INSERT_RANGE.bits()) as u64, 0x20),
    ("FALLOC_FL_UNSHARE_RANGE", (FallocateFlags::UNSHARE_RANGE.bits()) as u64, 0x40),
    ("FALLOC_FL_WRITE_ZEROES", (FallocateFlags::WRITE_ZEROES.bits()) as u64, 0x80),
    ("PROCMAP_QUERY", (PROCMAP_QUERY) as u64, 0xc0686611),
    ("PROCMAP_QUERY_VMA_READABLE", (ProcmapFlags::VMA_READABLE.bits()) as u64, 0x1),
    ("PROCMAP_QUERY_VMA_WRITABLE", (ProcmapFlags::VMA_WRITABLE.bits()) as u64, 0x2),
    ("PROCMAP_QUERY_VMA_EXECUTABLE", (ProcmapFlags::VMA_EXECUTABLE.bits()) as u64, 0x4),
    ("PROCMAP_QUERY_VMA_SHARED", (ProcmapFlags::VMA_SHARED.bits()) as u64, 0x8),
    ("PROCMAP_QUERY_COVERING_OR_NEXT_VMA", (ProcmapFlags::COVERING_OR_NEXT_VMA.bits()) as u64, 0x10),
    ("PROCMAP_QUERY_FILE_BACKED_VMA", (ProcmapFlags::FILE_BACKED_VMA.bits()) as u64, 0x20),
    ("struct procmap_query", (size_of::<raw::general::procmap_query>()) as u64, 0x68),
    ("PAGEMAP_SCAN", (PAGEMAP_SCAN) as u64, 0xc0606610),
    ("PAGE_IS_WPALLOWED", (PageCategories::WPALLOWED.bits()) as u64, 0x1),
    ("PAGE_IS_WRITTEN", (PageCategories::WRITTEN.bits()) as u64, 0x2),
    ("PAGE_IS_FILE", (PageCategories::FILE.bits()) as u64, 0x4),
    ("PAGE_IS_PRESENT", (PageCategories::PRESENT.bits()) as u64, 0x8),
    ("PAGE_IS_SWAPPED", (PageCategories::SWAPPED.bits()) as u64, 0x10),
    ("PAGE_IS_PFNZERO", (PageCategories::PFNZERO.bits()) as u64, 0x20),
    ("PAGE_IS_HUGE", (PageCategories::HUGE.bits()) as u64, 0x40),
    ("PAGE_IS_SOFT_DIRTY", (PageCategories::SOFT_DIRTY.bits()) as u64, 0x80),
    ("PAGE_IS_GUARD", (PageCategories::GUARD.bits()) as u64, 0x100),
    ("PM_SCAN_WP_MATCHING", (PagemapScanFlags::WP_MATCHING.bits()) as u64, 0x1),
    ("PM_SCAN_CHECK_WPASYNC", (PagemapScanFlags::CHECK_WPASYNC.bits()) as u64, 0x2),
    ("struct pm_scan_arg", (size_of::<raw::general::pm_scan_arg>()) as u64, 0x60),
    ("struct page_region", (size_of::<PageRegion>()) as u64, 0x18),
    ("syscall map_shadow_stack", (raw::general::__NR_map_shadow_stack) as u64, 0x1c5),
    ("SHADOW_STACK_SET_TOKEN", (ShadowStackFlags::SET_TOKEN.bits()) as u64, 0x1),
    ("SHADOW_STACK_SET_MARKER", (ShadowStackFlags::SET_MARKER.bits()) as u64, 0x2),
    ("syscall process_madvise", (raw::general::__NR_process_madvise) as u64, 0x1b8),
    ("process_madvise MADV_COLD", (Advice::COLD.as_raw()) as u64, 0x14),
    ("process_madvise MADV_PAGEOUT", (Advice::PAGEOUT.as_raw()) as u64, 0x15),
    ("process_madvise MADV_WILLNEED", (Advice::WILLNEED.as_raw()) as u64, 0x3),
    ("process_madvise MADV_COLLAPSE", (Advice::COLLAPSE.as_raw()) as u64, 0x19),
    ("syscall mincore", (raw::general::__NR_mincore) as u64, 0x1b),
    ("syscall mseal", (raw::general::__NR_mseal) as u64, 0x1ce),
    ("syscall memfd_secret", (raw::general::__NR_memfd_secret) as u64, 0x1bf),
    ("syscall cachestat", (raw::general::__NR_cachestat) as u64, 0x1c3),
    ("struct cachestat_range", (size_of::<raw::general::cachestat_range>()) as u64, 0x10),
    ("struct cachestat", (size_of::<CacheStat>()) as u64, 0x28),
    ("syscall remap_file_pages", (raw::general::__NR_remap_file_pages) as u64, 0xd8),
    ("syscall process_vm_readv", (raw::general::__NR_process_vm_readv) as u64, 0x136),
    ("syscall process_vm_writev", (raw::general::__NR_process_vm_writev) as u64, 0x137),
    ("struct iovec", (size_of::<IoVec>() / size_of::<usize>()) as u64, 0x2),
    ("syscall process_mrelease", (raw::general::__NR_process_mrelease) as u64, 0x1c0),
];

#[test]
fn values_are_those_of_the_kernel() {
    for (name, ours, kernels) in VALUES {
        assert_eq!(ours, kernels, "{name}");
    }
}
