//! Writing the changes of shared maps back to their files: `msync`.
#![expect(unsafe_code, reason = "msync takes any address")]

use core::ffi::{c_long, c_void};

use bitflags::bitflags;
use linux_raw_sys::general as raw;

use crate::{Result, raw::syscall3};

bitflags! {
    /// `MS_*` as [`msync`] takes them.
    ///
    /// Bits that the kernel does not know are refused by it with `EINVAL`; unknown bits are passed through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MsyncFlags: u32 {
        /// `MS_ASYNC`: does nothing since Linux 2.6.19, as the kernel keeps account of changed pages anyway.
        const ASYNC = raw::MS_ASYNC;
        /// `MS_INVALIDATE`: fails with `EBUSY` on locked pages; else does nothing, as maps of a file show the same pages.
        const INVALIDATE = raw::MS_INVALIDATE;
        /// `MS_SYNC`: writes changed pages back and waits for it.
        const SYNC = raw::MS_SYNC;
        const _ = !0;
    }
}

/// `msync(addr, len, flags)`—Writes the changes of a shared map back to its file.
///
/// `addr` is page aligned; `len` is in bytes and is rounded up to pages. Length 0 does nothing. On private maps the call
/// succeeds and makes nothing durable.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{FallocateFlags, MapFlags, MemfdFlags, MsyncFlags, ProtFlags};
/// use mmarinus_sys::{fallocate, memfd_create, mmap, msync, munmap, page_size};
///
/// let len = page_size();
/// let fd = memfd_create(c"a page", MemfdFlags::CLOEXEC)?;
/// fallocate(&fd, FallocateFlags::empty(), 0, len as u64)?;
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap(core::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &fd, 0)? };
/// // SAFETY: the page is ours.
/// unsafe { msync(addr.as_ptr(), len, MsyncFlags::SYNC)? };
/// // SAFETY: the page is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EBUSY`: `INVALIDATE`, and part of the range is locked.
/// - `EINVAL`: `addr` is not page aligned; `ASYNC` with `SYNC`; a flag that the kernel does not know.
/// - `EIO`: writing back failed; also `ENOSPC`, `EDQUOT` and whatever else the file system says.
/// - `ENOMEM`: part of the range is not mapped (what is mapped was written back), or the range wraps around.
///
/// # Safety
///
/// The range must be [owned](crate#safety).
///
/// # References
///
/// [msync(2)](https://man7.org/linux/man-pages/man2/msync.2.html)
#[inline]
pub unsafe fn msync(addr: *mut c_void, len: usize, flags: MsyncFlags) -> Result<()> {
    // By number, since rustix over libc takes the return value of msync for the errno.
    let args = [addr.expose_provenance(), len, flags.bits() as usize];
    // SAFETY: the caller keeps the contract of msync(2).
    unsafe { syscall3(raw::__NR_msync as c_long, args) }
}
