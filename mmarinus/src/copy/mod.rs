//! Copying bytes from and into maps: by the kernel where a page may be gone, past the compiler where others may be writing,
//! plainly where nobody else does.
#![expect(unsafe_code, reason = "copies bytes of maps by pointer")]

pub(crate) mod kernel;

#[cfg(any(test, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod atomic;
#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod racy;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod racy;

use mmarinus_sys::Errno;

use crate::backing::Access;
use crate::extent::Extent;

/// Where a copy stopped and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) errno: Errno,
    pub(crate) copied: usize,
}

/// Copies the bytes of `from` into `buf`, which has the same length.
///
/// # Safety
///
/// - The bytes of `from` lie in pages of a map that lives.
/// - For [`Access::Plain`] and [`Access::Racy`]: the pages are readable and an access does not fault.
/// - For [`Access::Plain`]: nobody writes the bytes meanwhile.
#[inline]
pub(crate) unsafe fn read(access: Access, from: Extent, buf: &mut [u8]) -> Result<(), Stop> {
    debug_assert_eq!(from.len(), buf.len());
    match access {
        // SAFETY: the bytes lie in a map that lives.
        Access::Kernel => unsafe { kernel::read(buf, from.as_ptr()) },
        Access::Racy => {
            // SAFETY: the source does not fault, `buf` is as long and exclusively ours.
            unsafe { racy_read(from, buf) }
        }
        Access::Plain => {
            // SAFETY: the source is readable and nobody writes it; `buf` is as long, and exclusive, so they do not overlap.
            unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), buf.as_mut_ptr(), buf.len()) };
            Ok(())
        }
    }
}

/// Copies `buf` into the bytes of `to`, which has the same length.
///
/// # Safety
///
/// - The bytes of `to` lie in pages of a map that lives, and writing them is allowed by whoever owns the map.
/// - For [`Access::Plain`] and [`Access::Racy`]: the pages are writable and an access does not fault.
/// - For [`Access::Plain`]: nobody else reads or writes the bytes meanwhile.
#[inline]
pub(crate) unsafe fn write(access: Access, to: Extent, buf: &[u8]) -> Result<(), Stop> {
    debug_assert_eq!(to.len(), buf.len());
    match access {
        // SAFETY: the bytes lie in a map that lives.
        Access::Kernel => unsafe { kernel::write(to.as_ptr(), buf) },
        Access::Racy => {
            // SAFETY: the target does not fault, and `buf` is as long.
            unsafe { racy_write(to, buf) }
        }
        Access::Plain => {
            // SAFETY: the target is writable and nobody else uses it, so `buf` does not overlap it, and is as long.
            unsafe { core::ptr::copy_nonoverlapping(buf.as_ptr(), to.as_ptr(), buf.len()) };
            Ok(())
        }
    }
}

/// Copies out of memory that others may be writing.
///
/// # Safety
///
/// As for [`read`] with [`Access::Racy`].
#[inline]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe fn racy_read(from: Extent, buf: &mut [u8]) -> Result<(), Stop> {
    // SAFETY: the caller's contract; `buf` is exclusive.
    unsafe { racy::copy(buf.as_mut_ptr(), from.as_ptr(), buf.len()) };
    Ok(())
}

/// Copies into memory that others may be using.
///
/// # Safety
///
/// As for [`write`] with [`Access::Racy`].
#[inline]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe fn racy_write(to: Extent, buf: &[u8]) -> Result<(), Stop> {
    // SAFETY: the caller's contract.
    unsafe { racy::copy(to.as_ptr(), buf.as_ptr(), buf.len()) };
    Ok(())
}

/// Copies out of memory that others may be writing: by atomics of the map's width, or by the kernel while none is fixed.
///
/// # Safety
///
/// As for [`read`] with [`Access::Racy`].
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn racy_read(from: Extent, buf: &mut [u8]) -> Result<(), Stop> {
    match from.width() {
        // SAFETY: the caller's contract.
        0 => unsafe { kernel::read(buf, from.as_ptr()) },
        // SAFETY: the caller's contract, and the atomics of this map have this width.
        width => unsafe { atomic::read(width, buf, from.as_ptr()) },
    }
}

/// Copies into memory that others may be using: by atomics of the map's width, or by the kernel while none is fixed.
///
/// # Safety
///
/// As for [`write`] with [`Access::Racy`].
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn racy_write(to: Extent, buf: &[u8]) -> Result<(), Stop> {
    match to.width() {
        // SAFETY: the caller's contract.
        0 => unsafe { kernel::write(to.as_ptr(), buf) },
        // SAFETY: the caller's contract, and the atomics of this map have this width.
        width => unsafe { atomic::write(width, to.as_ptr(), buf) },
    }
}
