//! Copies beside others that may be writing: by assembly where there is some for this architecture, else by atomics.
#![expect(unsafe_code, reason = "copies bytes of maps by pointer")]

#[cfg(any(
    test,
    not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64",
        not(miri)
    ))
))]
#[path = "atomic.rs"]
mod atomic;

use super::Stop;
use crate::extent::Extent;

/// Copies the bytes of `from` into `buf`, which has the same length.
///
/// # Safety
///
/// The bytes of `from` lie in pages of a map that lives, which are readable without a fault.
#[inline]
pub(super) unsafe fn read(from: Extent, buf: &mut [u8]) -> Result<(), Stop> {
    #[cfg(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64",
        not(miri)
    ))]
    // SAFETY: the bytes lie in a map that lives, and do not fault (the caller's contract).
    unsafe {
        super::assembly::read(from, buf)
    }
    #[cfg(not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64",
        not(miri)
    )))]
    // SAFETY: the caller's contract; the width is the only one that is used on the map, or 0.
    unsafe {
        atomic::read(from.width(), buf, from.as_ptr())
    }
}

/// Copies `buf` into the bytes of `to`, which has the same length.
///
/// # Safety
///
/// The bytes of `to` lie in pages of a map that lives, which are writable without a fault.
#[inline]
pub(super) unsafe fn write(to: Extent, buf: &[u8]) -> Result<(), Stop> {
    #[cfg(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64",
        not(miri)
    ))]
    // SAFETY: the bytes lie in a map that lives, and do not fault (the caller's contract).
    unsafe {
        super::assembly::write(to, buf)
    }
    #[cfg(not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64",
        not(miri)
    )))]
    // SAFETY: the caller's contract; the width is the only one that is used on the map, or 0.
    unsafe {
        atomic::write(to.width(), to.as_ptr(), buf)
    }
}
