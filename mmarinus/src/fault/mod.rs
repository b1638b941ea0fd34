//! Pages that are gone: the error of a copy that met one, and the handler that makes checked copies as fast as others.

#[cfg(feature = "fault-handler")]
mod install;

#[cfg(all(
    feature = "fault-handler",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(miri)
))]
mod chain;
#[cfg(all(
    feature = "fault-handler",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(miri)
))]
mod handler;

use core::fmt;

use mmarinus_sys::Errno;

use crate::error::{Cause, Named, Operation, Reason, copy_hint, hint};
#[cfg(all(
    feature = "fault-handler",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(miri)
))]
pub(crate) use handler::is_installed;
#[cfg(feature = "fault-handler")]
pub use install::install;

/// Why a copy from or into a map stopped, where, and how many bytes were copied before.
///
/// Touching a page that is gone (a file that was truncated, say) is a `Fault` here and no signal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    operation: Operation,
    reason: Reason,
    errno: Errno,
    offset: usize,
    copied: usize,
}

impl Fault {
    /// The fault of a copy at `offset` that stopped after `copied` bytes.
    #[cold]
    pub(crate) fn stopped(
        operation: Operation,
        errno: Errno,
        offset: usize,
        copied: usize,
    ) -> Self {
        Self {
            operation,
            reason: Reason::Kernel,
            errno,
            offset,
            copied,
        }
    }

    /// The fault of a copy at `offset` that was refused.
    #[cold]
    pub(crate) fn refused(operation: Operation, reason: Reason, offset: usize) -> Self {
        Self {
            operation,
            reason,
            errno: reason.errno(),
            offset,
            copied: 0,
        }
    }

    /// The errno: `EFAULT` where a page is gone, `EACCES` where the remembered permissions forbid the copy, `EINVAL` where
    /// the bytes do not lie in the map; else what the kernel said to `process_vm_readv` or `process_vm_writev`, or about the
    /// descriptor on the other side.
    #[must_use]
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// The offset in bytes of the first byte that was not copied, as the call counted it: from the start of the map or view.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset.saturating_add(self.copied)
    }

    /// The number of bytes that were copied before it stopped.
    #[must_use]
    pub fn copied(&self) -> usize {
        self.copied
    }

    /// The same as the cause of an [`Error`](crate::Error).
    pub(crate) fn cause(&self) -> Cause {
        Cause {
            operation: self.operation,
            reason: self.reason,
            errno: self.errno,
            figures: [self.offset, self.copied],
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.operation {
            Operation::Write => "writing to a map",
            Operation::ReadFrom => "reading a file into a map",
            Operation::WriteTo => "writing a map to a file",
            _ => "reading from a map",
        };
        write!(f, "{what} failed at byte {}", self.offset())?;
        if self.reason == Reason::Kernel {
            write!(f, " ({})", self.cause().operation.name())?;
        }
        write!(f, " with {}: ", Named(self.errno))?;
        f.write_str(match self.reason {
            Reason::OutOfRange => "the bytes must lie in the map",
            Reason::Forbidden => "the permissions of the map do not allow this; reprotect it first",
            Reason::RangeAbandoned | Reason::DeviceInside => hint(self.cause()),
            _ => copy_hint(self.operation, self.errno),
        })?;
        if self.copied == 0 {
            Ok(())
        } else {
            write!(f, " ({} bytes were copied before)", self.copied)
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("errno", &format_args!("{}", Named(self.errno)))
            .field("offset", &self.offset())
            .field("copied", &self.copied)
            .finish()
    }
}

impl core::error::Error for Fault {}

#[cfg(feature = "std")]
impl From<Fault> for std::io::Error {
    fn from(fault: Fault) -> Self {
        Self::from_raw_os_error(fault.errno.raw_os_error())
    }
}
