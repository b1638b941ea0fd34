//! Bytes between memory and a descriptor, by address: `readv`, `writev`, `preadv`, `pwritev`.
#![expect(unsafe_code, reason = "these calls read and write memory by address")]

use core::ffi::c_long;

use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, AsRawFd};

use crate::{IoVec, Result, raw::syscall};

/// `readv(fd, ranges)`—Reads from a descriptor into memory, and returns how many bytes; 0 is the end.
///
/// For memory of which there is no `&mut [u8]`: others may be using it, and pages may be gone, which is no signal but a short
/// count, or `EFAULT` if it is the first byte. One call stops at 2 GiB less a page.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{IoVec, readv};
///
/// let zero = std::fs::File::open("/dev/zero")?;
/// let mut bytes = [1_u8; 8];
/// let range = [IoVec::new(bytes.as_mut_ptr().cast(), bytes.len())];
/// // SAFETY: the range is `bytes`, which nobody else uses.
/// assert_eq!(unsafe { readv(&zero, &range)? }, 8);
/// assert_eq!(bytes, [0; 8]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: the descriptor is non-blocking, and there is nothing yet.
/// - `EBADF`: the descriptor is not open for reading.
/// - `EFAULT`: the first byte of the ranges cannot be written.
/// - `EINTR`: a signal came before anything was read.
/// - `EINVAL`: the descriptor cannot be read, more than 1024 ranges, or they are not aligned as `O_DIRECT` demands.
/// - `EIO`: the device failed.
/// - `EISDIR`: the descriptor is a directory.
///
/// # Safety
///
/// Every range must be memory that the caller may write, and [unborrowed](crate#safety).
///
/// # References
///
/// [readv(2)](https://man7.org/linux/man-pages/man2/readv.2.html)
#[inline]
pub unsafe fn readv(fd: impl AsFd, ranges: &[IoVec]) -> Result<usize> {
    // SAFETY: the caller keeps the contract of readv(2).
    unsafe { transfer(raw::__NR_readv, fd, ranges, [0, 0]) }
}

/// `writev(fd, ranges)`—Writes memory to a descriptor, and returns how many bytes.
///
/// For memory of which there is no `&[u8]`: others may be writing it, and pages may be gone, which is no signal but a short
/// count, or `EFAULT` if it is the first byte. One call stops at 2 GiB less a page.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{IoVec, writev};
///
/// let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
/// let bytes = *b"marinus";
/// let range = [IoVec::new(bytes.as_ptr().cast_mut().cast(), bytes.len())];
/// // SAFETY: the range is `bytes`, which is initialized.
/// assert_eq!(unsafe { writev(&null, &range)? }, 7);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// As [`readv`], with writing for reading, and:
///
/// - `EDQUOT`, `ENOSPC`: there is no room.
/// - `EFBIG`: the file would pass the largest size there is, or `RLIMIT_FSIZE`.
/// - `EPERM`: a seal forbids it.
/// - `EPIPE`: nobody reads any more. The thread also gets SIGPIPE, which Rust programs ignore by default.
///
/// # Safety
///
/// Every range must be memory whose bytes may be disclosed: no secrets, and nothing uninitialized.
///
/// # References
///
/// [writev(2)](https://man7.org/linux/man-pages/man2/writev.2.html)
#[inline]
pub unsafe fn writev(fd: impl AsFd, ranges: &[IoVec]) -> Result<usize> {
    // SAFETY: the caller keeps the contract of writev(2).
    unsafe { transfer(raw::__NR_writev, fd, ranges, [0, 0]) }
}

/// `preadv(fd, ranges, offset)`—As [`readv`], from an offset in bytes, leaving the descriptor's own where it is.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use mmarinus_sys::{IoVec, preadv};
///
/// let mut file = tempfile::tempfile()?;
/// file.write_all(b"marinus")?;
/// let mut bytes = [0_u8; 8];
/// let range = [IoVec::new(bytes.as_mut_ptr().cast(), bytes.len())];
/// // SAFETY: the range is `bytes`, which nobody else uses.
/// assert_eq!(unsafe { preadv(&file, &range, 3)? }, 4);
/// assert_eq!(&bytes, b"inus\0\0\0\0");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// As [`readv`], and:
///
/// - `EINVAL`: the offset is above 2^63 - 1.
/// - `ESPIPE`: the descriptor has no offsets: a pipe, a socket.
///
/// # Safety
///
/// As [`readv`].
///
/// # References
///
/// [preadv(2)](https://man7.org/linux/man-pages/man2/preadv.2.html)
#[inline]
pub unsafe fn preadv(fd: impl AsFd, ranges: &[IoVec], offset: u64) -> Result<usize> {
    // SAFETY: the caller keeps the contract of preadv(2).
    unsafe { transfer(raw::__NR_preadv, fd, ranges, halves(offset)) }
}

/// `pwritev(fd, ranges, offset)`—As [`writev`], to an offset in bytes, leaving the descriptor's own where it is.
///
/// A file that was opened with `O_APPEND` gets them at its end all the same.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{IoVec, pwritev};
///
/// let file = tempfile::tempfile()?;
/// let bytes = *b"marinus";
/// let range = [IoVec::new(bytes.as_ptr().cast_mut().cast(), bytes.len())];
/// // SAFETY: the range is `bytes`, which is initialized.
/// assert_eq!(unsafe { pwritev(&file, &range, 93)? }, 7);
/// assert_eq!(file.metadata()?.len(), 100);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// As [`writev`], and:
///
/// - `EINVAL`: the offset is above 2^63 - 1.
/// - `ESPIPE`: the descriptor has no offsets: a pipe, a socket.
///
/// # Safety
///
/// As [`writev`].
///
/// # References
///
/// [pwritev(2)](https://man7.org/linux/man-pages/man2/pwritev.2.html)
#[inline]
pub unsafe fn pwritev(fd: impl AsFd, ranges: &[IoVec], offset: u64) -> Result<usize> {
    // SAFETY: the caller keeps the contract of pwritev(2).
    unsafe { transfer(raw::__NR_pwritev, fd, ranges, halves(offset)) }
}

/// An offset as two words. Where one is enough, the kernel shifts the second out.
const fn halves(offset: u64) -> [usize; 2] {
    [offset as usize, (offset >> 32) as usize]
}

/// The four calls, which take the same arguments.
///
/// # Safety
///
/// As the call with this number.
#[inline]
unsafe fn transfer(
    number: u32,
    fd: impl AsFd,
    ranges: &[IoVec],
    [low, high]: [usize; 2],
) -> Result<usize> {
    let fd = fd.as_fd();
    let args = [
        fd.as_raw_fd() as usize,
        ranges.as_ptr().expose_provenance(),
        ranges.len(),
        low,
        high,
        0,
    ];
    // SAFETY: the caller keeps the contract of the call; the kernel only reads the list of ranges.
    unsafe { syscall(number as c_long, args) }
}
