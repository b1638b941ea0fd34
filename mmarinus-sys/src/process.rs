//! The memory of a process by its number: `process_vm_readv`, `process_vm_writev`, `process_mrelease`.
#![expect(unsafe_code, reason = "these calls write to memory by address")]

use core::ffi::{c_long, c_void};

use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
pub use rustix::process::Pid;

use crate::{Result, raw::syscall};

/// `struct iovec`: a range of memory, of this process or of another.
///
/// It is an address, not a borrow: having one says nothing about what is mapped there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct IoVec {
    base: *mut c_void,
    len: usize,
}

impl IoVec {
    /// Returns the range of `len` bytes from `base`.
    #[inline]
    #[must_use]
    pub const fn new(base: *mut c_void, len: usize) -> Self {
        Self { base, len }
    }

    /// Returns the address of the first byte.
    #[inline]
    #[must_use]
    pub const fn base(self) -> *mut c_void {
        self.base
    }

    /// Returns the length in bytes.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        self.len
    }

    /// Returns whether the range has no byte.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// `PIDFD_SELF`: stands for the calling process where a pidfd is asked for (since Linux 6.15).
///
/// The number is that of `PIDFD_SELF_THREAD`, -10000, which kept its meaning; the one for the thread group was renumbered in
/// Linux 6.17. For calls about memory they are the same, as threads share it.
pub const PIDFD_SELF: BorrowedFd<'static> = {
    // SAFETY: the number is negative, so no file descriptor is behind it that somebody could close, and it is not -1.
    unsafe { BorrowedFd::borrow_raw(raw::PIDFD_SELF_THREAD) }
};

/// `gettid()`—Returns the number of the calling thread.
///
/// For calls that read and write memory it is as good as the number of the process, and better once the first thread of the
/// process has ended: its number then leads to no memory.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::gettid;
///
/// let other = std::thread::spawn(gettid).join().unwrap();
/// assert_ne!(gettid(), other);
/// ```
///
/// # References
///
/// [gettid(2)](https://man7.org/linux/man-pages/man2/gettid.2.html)
#[inline]
#[must_use]
pub fn gettid() -> Pid {
    rustix::thread::gettid()
}

/// `process_vm_readv(pid, local, remote, 0)`—Copies memory of a process here, and returns how many bytes.
///
/// Since Linux 3.2. With the number of the calling thread ([`gettid`]) it reads this process, and a fault becomes `EFAULT`
/// instead of a signal: past the end of a file, guards, pages that are not readable, broken memory. It does not read
/// `memfd_secret`, and pays no heed to protection keys.
///
/// The remote ranges are copied in order into the local ranges in order; their lengths need not agree. The copy stops at the
/// first byte that cannot be read, at the end of the shorter list, and at 2 GiB less a page; what was copied until then is
/// returned, and it is an error only if that is nothing. So a short answer is not the end: the next byte tells why.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{IoVec, gettid, process_vm_readv};
///
/// let source = *b"marinus";
/// let mut copy = [0; 7];
/// let local = [IoVec::new(copy.as_mut_ptr().cast(), copy.len())];
/// let remote = [IoVec::new(source.as_ptr().cast_mut().cast(), source.len())];
/// // SAFETY: the local range is `copy`, which nobody else uses.
/// assert_eq!(unsafe { process_vm_readv(gettid(), &local, &remote)? }, 7);
/// assert_eq!(copy, source);
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EFAULT`: the first byte cannot be read there, or not be written here.
/// - `EINVAL`: more than 1024 ranges in a list, or lengths of local ranges that overflow.
/// - `ENOMEM`: the kernel has no memory.
/// - `ENOSYS`, `EPERM`: a sandbox forbids the call. `EPERM` also: the caller may not trace the process.
/// - `ESRCH`: no process has this number.
///
/// # Safety
///
/// Every local range must be memory that the caller may write, and [unborrowed](crate#safety).
///
/// # References
///
/// [process_vm_readv(2)](https://man7.org/linux/man-pages/man2/process_vm_readv.2.html)
#[inline]
pub unsafe fn process_vm_readv(pid: Pid, local: &[IoVec], remote: &[IoVec]) -> Result<usize> {
    // SAFETY: the caller keeps the contract of process_vm_readv(2).
    unsafe { transfer(raw::__NR_process_vm_readv, pid, local, remote) }
}

/// `process_vm_writev(pid, local, remote, 0)`—Copies memory from here into a process, and returns how many bytes.
///
/// Since Linux 3.2. As [`process_vm_readv`], in the other direction. Pages that are not writable stay as they are.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{IoVec, gettid, process_vm_writev};
///
/// let source = *b"marinus";
/// let mut copy = [0; 7];
/// let local = [IoVec::new(source.as_ptr().cast_mut().cast(), source.len())];
/// let remote = [IoVec::new(copy.as_mut_ptr().cast(), copy.len())];
/// // SAFETY: the remote range is `copy`, which nobody else uses.
/// assert_eq!(unsafe { process_vm_writev(gettid(), &local, &remote)? }, 7);
/// assert_eq!(copy, source);
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// As [`process_vm_readv`], and:
///
/// - `EFAULT`: the first byte cannot be written there, or not be read here.
///
/// # Safety
///
/// Every remote range of the caller's own process, or of one that shares its memory, must be memory that the caller may write,
/// and [unborrowed](crate#safety).
///
/// # References
///
/// [process_vm_writev(2)](https://man7.org/linux/man-pages/man2/process_vm_writev.2.html)
#[inline]
pub unsafe fn process_vm_writev(pid: Pid, local: &[IoVec], remote: &[IoVec]) -> Result<usize> {
    // SAFETY: the caller keeps the contract of process_vm_writev(2).
    unsafe { transfer(raw::__NR_process_vm_writev, pid, local, remote) }
}

/// The two directions, which take the same arguments.
///
/// # Safety
///
/// As the call with this number.
#[inline]
unsafe fn transfer(number: u32, pid: Pid, local: &[IoVec], remote: &[IoVec]) -> Result<usize> {
    let args = [
        pid.as_raw_nonzero().get() as usize,
        local.as_ptr().expose_provenance(),
        local.len(),
        remote.as_ptr().expose_provenance(),
        remote.len(),
        0,
    ];
    // SAFETY: the caller keeps the contract of the call; the kernel only reads the lists of ranges.
    unsafe { syscall(number as c_long, args) }
}

/// `process_mrelease(pidfd, 0)`—Frees the memory of a process that is dying, without waiting for it.
///
/// Since Linux 5.15. The process has been killed already; whoever needs its memory need not wait until it gets to run again.
/// Memory that it shares with a process that lives on is left alone.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, PIDFD_SELF, process_mrelease};
///
/// // This process is not dying.
/// let refused = process_mrelease(PIDFD_SELF).unwrap_err();
/// assert!(matches!(refused, Errno::INVAL | Errno::BADF | Errno::NOSYS));
/// ```
///
/// # Errors
///
/// - `EAGAIN`: not all of the memory could be freed; try again.
/// - `EBADF`: `pidfd` is not a pidfd.
/// - `EINVAL`: the process is not dying, or shares its memory with one that is not.
/// - `ENOSYS`: the kernel is older, or has no MMU.
/// - `ESRCH`: the process has ended.
///
/// # References
///
/// [process_mrelease(2)](https://man7.org/linux/man-pages/man2/process_mrelease.2.html)
#[inline]
pub fn process_mrelease(pidfd: impl AsFd) -> Result<()> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    // SAFETY: the call takes memory only from a process that will never run again.
    let done = unsafe {
        syscall(
            raw::__NR_process_mrelease as c_long,
            [pidfd as usize, 0, 0, 0, 0, 0],
        )
    };
    done.map(drop)
}
