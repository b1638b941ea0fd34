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
/// # Safety
///
/// Every remote range of the caller's own process must be memory that the caller may write, and [unborrowed](crate#safety).
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
