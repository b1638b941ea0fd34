//! Permissions of pages: the flags of `mmap` and `mprotect`, and the call `mprotect`.
#![expect(
    unsafe_code,
    reason = "mprotect takes memory away from whoever uses it"
)]

use core::ffi::c_void;

use bitflags::bitflags;
use linux_raw_sys::general as raw;

use crate::Result;

bitflags! {
    /// `PROT_*` as [`mmap`](crate::mmap) takes them: what the pages of a new map allow. `PROT_NONE` is the empty set.
    ///
    /// `mmap` ignores bits that it does not know; unknown bits are passed through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct ProtFlags: u32 {
        /// `PROT_READ`: the pages may be read.
        const READ = raw::PROT_READ;
        /// `PROT_WRITE`: the pages may be written; on most CPUs that lets them be read as well.
        const WRITE = raw::PROT_WRITE;
        /// `PROT_EXEC`: the pages may be executed.
        const EXEC = raw::PROT_EXEC;
        /// `PROT_SEM`: the pages may hold locks between processes; ignored.
        const SEM = raw::PROT_SEM;
        /// `PROT_BTI`: indirect branches may only land on marked instructions (aarch64, since Linux 5.8).
        #[cfg(target_arch = "aarch64")]
        const BTI = raw::PROT_BTI;
        /// `PROT_MTE`: an access needs a pointer with the memory's tag; it stays for the life of the map (aarch64, since
        /// Linux 5.10).
        #[cfg(target_arch = "aarch64")]
        const MTE = raw::PROT_MTE;
        /// `PROT_SAO`: accesses are strongly ordered (POWER7 to POWER9).
        #[cfg(any(target_arch = "powerpc", target_arch = "powerpc64"))]
        const SAO = raw::PROT_SAO;
        /// `PROT_ADI`: an access needs a pointer with the memory's tag (SPARC M7, since Linux 4.18).
        #[cfg(any(target_arch = "sparc", target_arch = "sparc64"))]
        const ADI = raw::PROT_ADI;
        const _ = !0;
    }
}

bitflags! {
    /// `PROT_*` as [`mprotect`] takes them: the permissions, and how far a growing map is changed.
    ///
    /// `mprotect` refuses bits that it does not know with `EINVAL`; unknown bits are passed through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MprotectFlags: u32 {
        /// `PROT_READ`: the pages may be read.
        const READ = raw::PROT_READ;
        /// `PROT_WRITE`: the pages may be written; on most CPUs that lets them be read as well.
        const WRITE = raw::PROT_WRITE;
        /// `PROT_EXEC`: the pages may be executed.
        const EXEC = raw::PROT_EXEC;
        /// `PROT_GROWSDOWN`: from the start of the map that grows down and contains the range.
        const GROWSDOWN = raw::PROT_GROWSDOWN;
        /// `PROT_GROWSUP`: to the end of the map that grows up and contains the range.
        const GROWSUP = raw::PROT_GROWSUP;
        /// `PROT_SEM`: the pages may hold locks between processes; ignored.
        const SEM = raw::PROT_SEM;
        /// `PROT_BTI`: indirect branches may only land on marked instructions (aarch64, since Linux 5.8).
        #[cfg(target_arch = "aarch64")]
        const BTI = raw::PROT_BTI;
        /// `PROT_MTE`: an access needs a pointer with the memory's tag; it stays for the life of the map (aarch64, since
        /// Linux 5.10).
        #[cfg(target_arch = "aarch64")]
        const MTE = raw::PROT_MTE;
        /// `PROT_SAO`: accesses are strongly ordered (POWER7 to POWER9).
        #[cfg(any(target_arch = "powerpc", target_arch = "powerpc64"))]
        const SAO = raw::PROT_SAO;
        /// `PROT_ADI`: an access needs a pointer with the memory's tag (SPARC M7, since Linux 4.18).
        #[cfg(any(target_arch = "sparc", target_arch = "sparc64"))]
        const ADI = raw::PROT_ADI;
        const _ = !0;
    }
}

impl From<ProtFlags> for MprotectFlags {
    fn from(prot: ProtFlags) -> Self {
        Self::from_bits_retain(prot.bits())
    }
}

/// `mprotect(addr, len, prot)`—Changes what the pages of a range allow.
///
/// `addr` is page aligned; `len` is in bytes and is rounded up to pages. Length 0 does nothing.
///
/// The call is not transactional: over several mappings it changes them one by one, and an error half way leaves those before
/// it changed.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap, page_size};
///
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::empty(), MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { mprotect(addr.as_ptr(), len, MprotectFlags::READ)? };
/// // SAFETY: as above.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EACCES`: `PROT_WRITE` on a shared map of a file that was opened read-only, or `PROT_EXEC` where a security module or the
///   map itself (`memfd_secret`, `PR_SET_MDWE`) forbids it.
/// - `EINVAL`: `addr` is not aligned to the page size of the map (2 MiB for a 2 MiB huge page map), or `prot` has a bit
///   that the kernel does not know, or `GROWSDOWN` on a map that does not grow.
/// - `ENOMEM`: part of the range is not mapped (what stands before the hole has been changed), or the change would need
///   more mappings than `vm.max_map_count`.
/// - `EPERM`: part of the range is sealed by `mseal`; mappings before it may have been changed.
///
/// # Safety
///
/// The range must be [owned](crate#safety), and every Rust reference into it must stay valid under the new permissions:
/// none may be alive to pages that lose `READ`, no mutable one to pages that lose `WRITE`, and no thread may run code in pages
/// that lose `EXEC`.
///
/// # References
///
/// [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html)
#[inline]
pub unsafe fn mprotect(addr: *mut c_void, len: usize, prot: MprotectFlags) -> Result<()> {
    let flags = rustix::mm::MprotectFlags::from_bits_retain(prot.bits());
    // SAFETY: the caller keeps the contract of mprotect(2).
    unsafe { rustix::mm::mprotect(addr, len, flags) }
}
