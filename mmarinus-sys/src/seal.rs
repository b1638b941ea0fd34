//! Sealing maps against any further change: `mseal`.
#![expect(
    unsafe_code,
    reason = "a sealed range refuses what its owner may rely on"
)]

use core::ffi::{c_long, c_void};

use linux_raw_sys::general as raw;

use crate::{Result, raw::syscall};

/// `mseal(addr, len, 0)`—Makes the maps of a range what they are until the process ends.
///
/// Since Linux 6.10, on 64-bit kernels. `addr` is page aligned; `len` is in bytes and is rounded up to pages. Length 0 does
/// nothing. There is no way back; a forked child inherits the seal.
///
/// Sealed maps refuse `munmap`, `mprotect`, `mremap` and a map in their place with `EPERM`. Advice that discards bytes is
/// refused only on private anonymous memory that is not writable: the bytes of a private file map are not safe from
/// `MADV_DONTNEED`, those of any file map not from whoever writes or truncates the file.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MapFlags, ProtFlags, mmap_anonymous, mseal, munmap, page_size};
///
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours, and nobody will want it unmapped.
/// match unsafe { mseal(addr.as_ptr(), len) } {
///     // SAFETY: the range is ours, and nobody borrows from it.
///     Ok(()) => assert_eq!(unsafe { munmap(addr.as_ptr(), len) }, Err(Errno::PERM)),
///     Err(error) => assert_eq!(error, Errno::NOSYS),
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: `addr` is not page aligned (huge pages: to those), or the range wraps around.
/// - `ENOMEM`: part of the range is not mapped, or sealing part of a map would need more mappings than `vm.max_map_count`.
///   Nothing is sealed.
/// - `ENOSYS`: the kernel is older, or a 32-bit one.
///
/// # Safety
///
/// The range must be [owned](crate#safety), and nobody may rely on being able to unmap, move, reprotect or discard it.
///
/// # References
///
/// [mseal(2)](https://man7.org/linux/man-pages/man2/mseal.2.html)
#[inline]
pub unsafe fn mseal(addr: *mut c_void, len: usize) -> Result<()> {
    let args = [addr.expose_provenance(), len, 0, 0, 0, 0];
    // SAFETY: the caller keeps the contract of mseal(2).
    let done = unsafe { syscall(raw::__NR_mseal as c_long, args) };
    done.map(drop)
}
