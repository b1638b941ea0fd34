//! Keeping pages in memory: `mlock`, `mlock2`, `munlock`, `mlockall`, `munlockall`.
#![expect(
    unsafe_code,
    reason = "locking takes any address, and changes what other calls on it do"
)]

use core::ffi::c_void;

use bitflags::bitflags;
use linux_raw_sys::general as raw;

use crate::{Errno, Result, page_size};

bitflags! {
    /// `MLOCK_*` as [`mlock2`] takes them.
    ///
    /// Bits that the kernel does not know are refused by it with `EINVAL`; unknown bits are passed through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MlockFlags: u32 {
        /// `MLOCK_ONFAULT`: locks each page when it is touched first (since Linux 4.4).
        const ONFAULT = raw::MLOCK_ONFAULT;
        const _ = !0;
    }
}

bitflags! {
    /// `MCL_*` as [`mlockall`] takes them.
    ///
    /// Bits that the kernel does not know are refused by it with `EINVAL`; unknown bits are passed through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MlockAllFlags: u32 {
        /// `MCL_CURRENT`: all that is mapped now.
        const CURRENT = raw::MCL_CURRENT;
        /// `MCL_FUTURE`: all that will be mapped.
        const FUTURE = raw::MCL_FUTURE;
        /// `MCL_ONFAULT`: lock each page when it is touched first; with one of the others (since Linux 4.4).
        const ONFAULT = raw::MCL_ONFAULT;
        const _ = !0;
    }
}

/// `mlock(addr, len)`—Reads the pages of a range in, and keeps them in memory.
///
/// The range, in bytes, is extended to whole pages at both ends, so that length 0 at an address within a page is that page; at
/// the start of one it is nothing. Locks do not nest. On droppable memory the call succeeds and locks nothing. A private
/// writable map of a file gets its own copy of every page.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MapFlags, ProtFlags, mlock, mmap_anonymous, munlock, munmap, page_size};
///
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)? };
/// // SAFETY: the page is ours.
/// match unsafe { mlock(addr.as_ptr(), len) } {
///     // SAFETY: as above.
///     Ok(()) => unsafe { munlock(addr.as_ptr(), len)? },
///     Err(error) => assert!(matches!(error, Errno::NOMEM | Errno::PERM), "no right to lock"),
/// }
/// // SAFETY: the page is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: some pages could not be had now.
/// - `EINVAL`: the range, extended to whole pages, wraps around (found before the call: the kernel would say that it locked it).
/// - `ENOMEM`: part of the range is not mapped, or touching it would raise a signal (past the end of the file, a guard, no
///   permission); more than `RLIMIT_MEMLOCK`; more mappings than `vm.max_map_count`. Part of the range may be locked then.
/// - `EPERM`: `RLIMIT_MEMLOCK` is 0, without `CAP_IPC_LOCK`.
///
/// # Safety
///
/// The range must be [owned](crate#safety): locks of others end with [`munlock`], and locked memory refuses some advice.
///
/// # References
///
/// [mlock(2)](https://man7.org/linux/man-pages/man2/mlock.2.html)
#[inline]
pub unsafe fn mlock(addr: *mut c_void, len: usize) -> Result<()> {
    check_range(addr, len)?;
    // SAFETY: the caller keeps the contract of mlock(2).
    unsafe { rustix::mm::mlock(addr, len) }
}

/// `mlock2(addr, len, flags)`—Keeps the pages of a range in memory, from now on or from their first use.
///
/// Since Linux 4.4. Without flags it is [`mlock`].
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MapFlags, MlockFlags, ProtFlags, mlock2, mmap_anonymous, munmap, page_size};
///
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)? };
/// // SAFETY: the page is ours.
/// match unsafe { mlock2(addr.as_ptr(), len, MlockFlags::ONFAULT) } {
///     Ok(()) => println!("stays once it is touched"),
///     Err(error) => assert!(matches!(error, Errno::NOMEM | Errno::PERM), "no right to lock"),
/// }
/// // SAFETY: the page is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// As [`mlock`], and:
///
/// - `EINVAL`: a flag that the kernel does not know.
///
/// # Safety
///
/// As [`mlock`].
///
/// # References
///
/// [mlock2(2)](https://man7.org/linux/man-pages/man2/mlock2.2.html)
#[inline]
pub unsafe fn mlock2(addr: *mut c_void, len: usize, flags: MlockFlags) -> Result<()> {
    check_range(addr, len)?;
    let flags = rustix::mm::MlockFlags::from_bits_retain(flags.bits());
    // SAFETY: the caller keeps the contract of mlock2(2).
    unsafe { rustix::mm::mlock_with(addr, len, flags) }
}

/// `munlock(addr, len)`—Lets the pages of a range leave memory again.
///
/// The range, in bytes, is extended to whole pages at both ends, as for [`mlock`].
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, mmap_anonymous, munlock, munmap, page_size};
///
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// // SAFETY: the page is ours; that it was not locked is no error.
/// unsafe { munlock(addr.as_ptr(), len)? };
/// // SAFETY: the page is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: the range, extended to whole pages, wraps around (found before the call).
/// - `ENOMEM`: part of the range is not mapped, or more mappings than `vm.max_map_count` would be needed. Part of the range may
///   be unlocked then.
///
/// # Safety
///
/// The range must be [owned](crate#safety): pages that others have locked are unlocked as well.
///
/// # References
///
/// [munlock(2)](https://man7.org/linux/man-pages/man2/munlock.2.html)
#[inline]
pub unsafe fn munlock(addr: *mut c_void, len: usize) -> Result<()> {
    check_range(addr, len)?;
    // SAFETY: the caller keeps the contract of munlock(2).
    unsafe { rustix::mm::munlock(addr, len) }
}

/// `mlockall(flags)`—Keeps all pages of the process in memory.
///
/// `CURRENT` without `ONFAULT` reads everything in, also what was mapped with `NORESERVE` and never used: a process that
/// reserves much address space can bring the machine down with it.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MlockAllFlags, mlockall, munlockall};
///
/// match mlockall(MlockAllFlags::CURRENT | MlockAllFlags::ONFAULT) {
///     Ok(()) => munlockall()?,
///     Err(error) => assert!(matches!(error, Errno::NOMEM | Errno::PERM), "no right to lock"),
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: no flag, `ONFAULT` alone, or a flag that the kernel does not know.
/// - `ENOMEM`: more than `RLIMIT_MEMLOCK`.
/// - `EPERM`: `RLIMIT_MEMLOCK` is 0, without `CAP_IPC_LOCK`.
///
/// # References
///
/// [mlockall(2)](https://man7.org/linux/man-pages/man2/mlockall.2.html)
#[inline]
pub fn mlockall(flags: MlockAllFlags) -> Result<()> {
    rustix::mm::mlockall(rustix::mm::MlockAllFlags::from_bits_retain(flags.bits()))
}

/// `munlockall()`—Lets all pages of the process leave memory again.
///
/// It takes back [`mlock`] as well, also that of other parts of the program.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::munlockall;
///
/// munlockall()?; // that nothing was locked is no error
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// None is documented but `EINTR`, if the process is being killed.
///
/// # References
///
/// [munlockall(2)](https://man7.org/linux/man-pages/man2/munlockall.2.html)
#[inline]
pub fn munlockall() -> Result<()> {
    rustix::mm::munlockall()
}

/// Refuses a range whose end, rounded up to pages, is past the last address: the kernel's sum wraps around there, and it
/// would report success for a range of another length.
#[inline]
fn check_range(addr: *mut c_void, len: usize) -> Result<()> {
    let last = usize::MAX - (page_size() - 1);
    match addr.addr().checked_add(len) {
        Some(end) if end <= last => Ok(()),
        _ => Err(Errno::INVAL),
    }
}
