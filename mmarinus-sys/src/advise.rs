//! Advice about the use of pages, some of which changes their bytes: `madvise`, `process_madvise`.
#![expect(
    unsafe_code,
    reason = "some advice discards bytes or makes touching them a fault"
)]

use core::ffi::{c_long, c_void};

use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, AsRawFd};

use crate::raw::{syscall, syscall3};
use crate::{IoVec, Result};

/// `MADV_*`: what [`madvise`] and [`process_madvise`] are to do with a range.
///
/// The kernel adds to these; any other number passes through [`from_raw`](Self::from_raw). To find out whether the kernel
/// knows one, give it a range of length 0: `EINVAL` says no.
///
/// # References
///
/// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Advice(u32);

impl Advice {
    /// `MADV_NORMAL`: no advice, the default.
    pub const NORMAL: Self = Self(raw::MADV_NORMAL);
    /// `MADV_RANDOM`: reading ahead is of no use.
    pub const RANDOM: Self = Self(raw::MADV_RANDOM);
    /// `MADV_SEQUENTIAL`: read far ahead.
    pub const SEQUENTIAL: Self = Self(raw::MADV_SEQUENTIAL);
    /// `MADV_WILLNEED`: start to read the pages in now.
    pub const WILLNEED: Self = Self(raw::MADV_WILLNEED);
    /// `MADV_DONTNEED`: discards the pages at once. Private anonymous memory is zeros then, a private map of a file shows the
    /// file again, and shared memory loses nothing.
    pub const DONTNEED: Self = Self(raw::MADV_DONTNEED);
    /// `MADV_FREE`: the kernel may discard the pages until they are written next; private anonymous memory only (since Linux
    /// 4.5).
    pub const FREE: Self = Self(raw::MADV_FREE);
    /// `MADV_REMOVE`: punches a hole into the shared object, for all who map it.
    pub const REMOVE: Self = Self(raw::MADV_REMOVE);
    /// `MADV_DONTFORK`: a forked child does not have the range.
    pub const DONTFORK: Self = Self(raw::MADV_DONTFORK);
    /// `MADV_DOFORK`: takes back `DONTFORK`.
    pub const DOFORK: Self = Self(raw::MADV_DOFORK);
    /// `MADV_MERGEABLE`: equal pages may be merged into one (needs `CONFIG_KSM`).
    pub const MERGEABLE: Self = Self(raw::MADV_MERGEABLE);
    /// `MADV_UNMERGEABLE`: takes back `MERGEABLE`.
    pub const UNMERGEABLE: Self = Self(raw::MADV_UNMERGEABLE);
    /// `MADV_HUGEPAGE`: use transparent huge pages (needs `CONFIG_TRANSPARENT_HUGEPAGE`).
    pub const HUGEPAGE: Self = Self(raw::MADV_HUGEPAGE);
    /// `MADV_NOHUGEPAGE`: use no transparent huge pages.
    pub const NOHUGEPAGE: Self = Self(raw::MADV_NOHUGEPAGE);
    /// `MADV_DONTDUMP`: leave the range out of core dumps (since Linux 3.4).
    pub const DONTDUMP: Self = Self(raw::MADV_DONTDUMP);
    /// `MADV_DODUMP`: takes back `DONTDUMP`.
    pub const DODUMP: Self = Self(raw::MADV_DODUMP);
    /// `MADV_WIPEONFORK`: the range is zeros in a forked child; private anonymous memory only (since Linux 4.14).
    pub const WIPEONFORK: Self = Self(raw::MADV_WIPEONFORK);
    /// `MADV_KEEPONFORK`: takes back `WIPEONFORK`.
    pub const KEEPONFORK: Self = Self(raw::MADV_KEEPONFORK);
    /// `MADV_COLD`: these pages may go first when memory is short (since Linux 5.4).
    pub const COLD: Self = Self(raw::MADV_COLD);
    /// `MADV_PAGEOUT`: write the pages out and give their memory back now (since Linux 5.4).
    pub const PAGEOUT: Self = Self(raw::MADV_PAGEOUT);
    /// `MADV_POPULATE_READ`: make the pages readable as if by reading each, and report what fails (since Linux 5.14).
    pub const POPULATE_READ: Self = Self(raw::MADV_POPULATE_READ);
    /// `MADV_POPULATE_WRITE`: make the pages writable as if by writing each, and report what fails (since Linux 5.14).
    pub const POPULATE_WRITE: Self = Self(raw::MADV_POPULATE_WRITE);
    /// `MADV_DONTNEED_LOCKED`: as `DONTNEED`, also on locked memory (since Linux 5.18).
    pub const DONTNEED_LOCKED: Self = Self(raw::MADV_DONTNEED_LOCKED);
    /// `MADV_COLLAPSE`: gather the pages into transparent huge pages now (since Linux 6.1).
    pub const COLLAPSE: Self = Self(raw::MADV_COLLAPSE);
    /// `MADV_HWPOISON`: treat the pages as broken memory, for ever; needs `CAP_SYS_ADMIN` and `CONFIG_MEMORY_FAILURE`.
    pub const HWPOISON: Self = Self(raw::MADV_HWPOISON);
    /// `MADV_SOFT_OFFLINE`: move the bytes elsewhere and stop using the memory below; needs `CAP_SYS_ADMIN` and
    /// `CONFIG_MEMORY_FAILURE`.
    #[cfg(not(any(
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "mips64",
        target_arch = "mips64r6"
    )))]
    pub const SOFT_OFFLINE: Self = Self(raw::MADV_SOFT_OFFLINE);
    /// `MADV_GUARD_INSTALL`: discards the pages and makes touching them a `SIGSEGV`, without another map (private anonymous
    /// memory since Linux 6.13, files since 6.15).
    pub const GUARD_INSTALL: Self = Self(raw::MADV_GUARD_INSTALL);
    /// `MADV_GUARD_REMOVE`: takes guards away; the pages are empty then (since Linux 6.13, 6.15).
    pub const GUARD_REMOVE: Self = Self(raw::MADV_GUARD_REMOVE);

    /// Returns the advice with a number of the kernel's.
    #[inline]
    #[must_use]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Returns the kernel's number.
    #[inline]
    #[must_use]
    pub const fn as_raw(self) -> u32 {
        self.0
    }
}

/// `madvise(addr, len, advice)`—Tells the kernel how a range is used, or to change it.
///
/// `addr` is page aligned; `len` is in bytes and is rounded up to pages. Length 0 does nothing. `DONTNEED` on huge pages rounds
/// `len` down to those instead.
///
/// Over a hole the call goes on: the rest of the range is advised, and the error is `ENOMEM`.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap, page_size};
///
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)? };
/// let byte = addr.cast::<u8>();
/// // SAFETY: the page is ours, mapped and writable.
/// unsafe { byte.write(1) };
/// // SAFETY: the page is ours, and nobody borrows from it.
/// unsafe { madvise(addr.as_ptr(), len, Advice::DONTNEED)? };
/// // SAFETY: the page is ours, mapped and readable.
/// assert_eq!(unsafe { byte.read() }, 0);
/// // SAFETY: the page is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EACCES`: `REMOVE` on a private map, or on one that can never be writable.
/// - `EAGAIN`: part of a map becomes a map of its own, and that would be more than `vm.max_map_count`; the kernel has no memory
///   for the moment.
/// - `EBUSY`: `COLLAPSE` could not get hold of a page.
/// - `EFAULT`: `POPULATE_READ`, `POPULATE_WRITE`: touching a page would raise a signal (past the end of the file, a guard).
/// - `EHWPOISON`: `POPULATE_READ`, `POPULATE_WRITE`: broken memory.
/// - `EINVAL`: `addr` is not page aligned; the range wraps around; advice that the kernel does not know, also with length 0;
///   advice that this kind of map does not take: `FREE`, `WIPEONFORK` on all but private anonymous memory; `REMOVE` on private
///   anonymous memory; `DONTNEED`, `FREE`, `REMOVE`, `COLD`, `PAGEOUT`, `GUARD_INSTALL` on locked memory; `COLD`, `PAGEOUT`,
///   `COLLAPSE`, guards on huge pages; `POPULATE_*` on pages that do not allow the access; most of it on `memfd_secret`;
///   `COLLAPSE` on a map without room for a huge page.
/// - `EIO`: paging in failed.
/// - `ENOMEM`: part of the range is not mapped; `COLLAPSE` found no huge page.
/// - `EPERM`: `HWPOISON`, `SOFT_OFFLINE` without `CAP_SYS_ADMIN`; advice that discards bytes of private anonymous memory that
///   is sealed by `mseal` and not writable.
///
/// # Safety
///
/// - The range must be [owned](crate#safety), and for advice that changes bytes or makes touching them a fault (`DONTNEED`,
///   `DONTNEED_LOCKED`, `FREE`, `REMOVE`, `HWPOISON`, `GUARD_INSTALL`, `GUARD_REMOVE`, any that this crate does not name)
///   [unborrowed](crate#safety).
/// - `REMOVE` and `HWPOISON` reach every other map of the same pages: those must be unborrowed as well.
/// - After `FREE` the bytes may change until the page is written next.
/// - After `DONTFORK` and `WIPEONFORK` a forked child must not use what it held there.
///
/// # References
///
/// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
#[inline]
pub unsafe fn madvise(addr: *mut c_void, len: usize, advice: Advice) -> Result<()> {
    let args = [addr.expose_provenance(), len, advice.0 as usize];
    // SAFETY: the caller keeps the contract of madvise(2).
    unsafe { syscall3(raw::__NR_madvise as c_long, args) }
}

/// `process_madvise(pidfd, ranges, advice, 0)`—Advises many ranges of a process, and returns how many bytes were advised.
///
/// Since Linux 5.10. Each range is as for [`madvise`]. A pidfd is had from `pidfd_open`, or is
/// [`PIDFD_SELF`](crate::PIDFD_SELF). Another process takes `COLD`, `PAGEOUT`, `WILLNEED` (since Linux 5.13) and `COLLAPSE`
/// (since Linux 6.1); the caller's own takes any advice since Linux 6.13.
///
/// The ranges are advised one by one. After a range that fails no further one is advised, and the call returns the bytes before
/// it; it is an error only if there were none. The kernel also stops, within a range if need be, at 2 GiB less a page. So an
/// answer that is too small is not the end: a call for the rest tells why.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Advice, Errno, IoVec, MapFlags, PIDFD_SELF, ProtFlags};
/// use mmarinus_sys::{mmap_anonymous, munmap, page_size, process_madvise};
///
/// let len = 3 * page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// let third = addr.as_ptr().wrapping_byte_add(2 * page_size());
/// let ranges = [IoVec::new(addr.as_ptr(), page_size()), IoVec::new(third, page_size())];
/// // SAFETY: the range is ours, and the advice changes no bytes.
/// match unsafe { process_madvise(PIDFD_SELF, &ranges, Advice::COLD) } {
///     Ok(advised) => assert_eq!(advised, 2 * page_size()),
///     Err(error) => assert_eq!(error, Errno::BADF, "a kernel older than PIDFD_SELF"),
/// }
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// As [`madvise`] for the first range, and:
///
/// - `EBADF`: `pidfd` is not a pidfd.
/// - `EFAULT`: the list of ranges cannot be read.
/// - `EINVAL`: more than 1024 ranges; advice that another process does not take; the lengths together overflow.
/// - `EPERM`: the caller may not trace the process, or lacks `CAP_SYS_NICE`.
/// - `ESRCH`: the process has ended.
///
/// # Safety
///
/// As [`madvise`] for each range, if the process is the caller's own or shares its memory.
///
/// # References
///
/// [process_madvise(2)](https://man7.org/linux/man-pages/man2/process_madvise.2.html)
#[inline]
pub unsafe fn process_madvise(pidfd: impl AsFd, ranges: &[IoVec], advice: Advice) -> Result<usize> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    let args = [
        pidfd as usize,
        ranges.as_ptr().expose_provenance(),
        ranges.len(),
        advice.0 as usize,
        0,
        0,
    ];
    // SAFETY: the caller keeps the contract of process_madvise(2); the kernel only reads the list of ranges.
    unsafe { syscall(raw::__NR_process_madvise as c_long, args) }
}
