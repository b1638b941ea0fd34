//! Copying bytes from and into maps: by the kernel where a page may be gone, or by assembly where faults are caught; past the
//! compiler where others may be writing; plainly where nobody else does.
#![expect(unsafe_code, reason = "copies bytes of maps by pointer")]

#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(miri)
))]
pub(crate) mod assembly;
pub(crate) mod kernel;

mod racy;

use mmarinus_sys::Errno;

use crate::extent::Extent;

/// How bytes of a map are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(unnameable_types, reason = "a constant in the seal of `Backing`")]
pub enum Access {
    /// By the kernel, which turns a fault into an error; in this process once [`fault`](crate::fault) catches faults.
    Kernel,
    /// The same, of a device: not by instructions that are wider than devices take.
    Device,
    /// In this process, beside others that may be writing: never by a plain load or store.
    Racy,
    /// In this process, plainly: nobody else changes the bytes.
    Plain,
}

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
        #[cfg(all(
            feature = "fault-handler",
            any(target_arch = "x86_64", target_arch = "aarch64"),
            target_pointer_width = "64",
            not(miri)
        ))]
        Access::Kernel if crate::fault::is_installed() => {
            // SAFETY: the bytes lie in a map that lives, and the handler is installed.
            unsafe { assembly::read(from, buf) }
        }
        #[cfg(all(
            feature = "fault-handler",
            any(target_arch = "x86_64", target_arch = "aarch64"),
            target_pointer_width = "64",
            not(miri)
        ))]
        Access::Device if crate::fault::is_installed() => {
            // SAFETY: the bytes lie in a map that lives, and the handler is installed.
            unsafe { assembly::read_device(from, buf) }
        }
        // SAFETY: the bytes lie in a map that lives.
        Access::Kernel | Access::Device => unsafe { kernel::read(buf, from.as_ptr()) },
        Access::Racy => {
            // SAFETY: the source does not fault, `buf` is as long and exclusively ours.
            unsafe { racy::read(from, buf) }
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
        #[cfg(all(
            feature = "fault-handler",
            any(target_arch = "x86_64", target_arch = "aarch64"),
            target_pointer_width = "64",
            not(miri)
        ))]
        Access::Kernel if crate::fault::is_installed() => {
            // SAFETY: the bytes lie in a map that lives, and the handler is installed.
            unsafe { assembly::write(to, buf) }
        }
        #[cfg(all(
            feature = "fault-handler",
            any(target_arch = "x86_64", target_arch = "aarch64"),
            target_pointer_width = "64",
            not(miri)
        ))]
        Access::Device if crate::fault::is_installed() => {
            // SAFETY: the bytes lie in a map that lives, and the handler is installed.
            unsafe { assembly::write_device(to, buf) }
        }
        // SAFETY: the bytes lie in a map that lives.
        Access::Kernel | Access::Device => unsafe { kernel::write(to.as_ptr(), buf) },
        Access::Racy => {
            // SAFETY: the target does not fault, and `buf` is as long.
            unsafe { racy::write(to, buf) }
        }
        Access::Plain => {
            // SAFETY: the target is writable and nobody else uses it, so `buf` does not overlap it, and is as long.
            unsafe { core::ptr::copy_nonoverlapping(buf.as_ptr(), to.as_ptr(), buf.len()) };
            Ok(())
        }
    }
}
