//! What is in memory: the pages of a range by `mincore`, the page cache of a file by `cachestat`.
#![expect(
    unsafe_code,
    reason = "the kernel writes its answer to memory by address"
)]

use core::ffi::{c_long, c_void};

use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, AsRawFd};

use crate::{Errno, Result, page_size, raw::syscall};

/// `mincore(addr, len, pages)`—Tells which pages of a range are in memory.
///
/// `addr` is page aligned; `len` is in bytes and is rounded up to pages. Each page has its byte in `pages`, of which the lowest
/// bit is 1 if touching the page needs no disk; the other bits mean nothing. The answer may be old when it arrives. Bytes of
/// `pages` beyond the range are left alone.
///
/// For a file that the caller neither owns nor may write, every page is said to be in memory.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, mincore, mmap_anonymous, munmap, page_size};
///
/// let len = 2 * page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)? };
/// // SAFETY: the page is ours, mapped and writable.
/// unsafe { addr.cast::<u8>().write(1) };
/// let mut pages = [0; 2];
/// mincore(addr.as_ptr(), len, &mut pages)?;
/// assert_eq!(pages[0] & 1, 1);
/// # // SAFETY: the range is ours, and nobody borrows from it.
/// # unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: the kernel has no memory for the moment.
/// - `EINVAL`: `addr` is not page aligned; `pages` has fewer bytes than the range has pages (found before the call).
/// - `ENOMEM`: part of the range is not mapped, or not in user space.
///
/// # References
///
/// [mincore(2)](https://man7.org/linux/man-pages/man2/mincore.2.html)
#[inline]
pub fn mincore(addr: *const c_void, len: usize, pages: &mut [u8]) -> Result<()> {
    if pages.len() < len.div_ceil(page_size()) {
        return Err(Errno::INVAL);
    }
    let args = [
        addr.expose_provenance(),
        len,
        pages.as_mut_ptr().expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY:
    // - The call only asks about the range.
    // - It writes one byte for each page of the range, and `pages` has as many.
    let done = unsafe { syscall(raw::__NR_mincore as c_long, args) };
    done.map(drop)
}

/// `struct cachestat`: how many pages of a file are in the page cache, and in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct CacheStat {
    /// Pages that are in the cache.
    pub nr_cache: u64,
    /// Pages that were changed and not yet written back.
    pub nr_dirty: u64,
    /// Pages that are being written back.
    pub nr_writeback: u64,
    /// Pages that were in the cache and are no more.
    pub nr_evicted: u64,
    /// Pages that left the cache so recently that memory is short.
    pub nr_recently_evicted: u64,
}

/// `cachestat(fd, {offset, len}, 0)`—Counts the pages of a file that are in the page cache.
///
/// Since Linux 6.5. `offset` and `len` are in bytes, need no alignment, and may lie beyond the file; `len` 0 is up to its end.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MemfdFlags, cachestat, memfd_create};
///
/// let fd = memfd_create(c"counted", MemfdFlags::CLOEXEC)?;
/// match cachestat(&fd, 0, 0) {
///     Ok(stat) => assert_eq!(stat.nr_cache, 0),
///     Err(error) => assert_eq!(error, Errno::NOSYS),
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EBADF`: `fd` is not an open file.
/// - `ENOSYS`: the kernel is older.
/// - `EOPNOTSUPP`: the file is of huge pages.
/// - `EPERM`: the caller neither owns the file nor may write it (newer kernels).
///
/// # References
///
/// [cachestat(2)](https://man7.org/linux/man-pages/man2/cachestat.2.html)
#[inline]
pub fn cachestat(fd: impl AsFd, offset: u64, len: u64) -> Result<CacheStat> {
    let range = raw::cachestat_range { off: offset, len };
    let mut stat = CacheStat::default();
    let args = [
        fd.as_fd().as_raw_fd() as usize,
        (&raw const range).expose_provenance(),
        (&raw mut stat).expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY:
    // - The kernel reads one `cachestat_range`, and `range` is one.
    // - It writes one `struct cachestat`, and `stat` has its layout.
    unsafe { syscall(raw::__NR_cachestat as c_long, args)? };
    Ok(stat)
}
