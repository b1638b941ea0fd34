//! The error of every call on maps: what was tried, the kernel's answer, what to do, and the map if it is still there.

mod errno;
mod hint;
mod reason;

use core::fmt;

use mmarinus_sys::Errno;

use crate::backing::Backing;
use crate::fault::Fault;
use crate::kind::Kind;
use crate::map::Map;
pub(crate) use errno::Named;
pub(crate) use hint::{copy_hint, hint};
pub(crate) use reason::{Operation, Reason};

/// Why a call on a map failed, and the map if the kernel provably still has it.
///
/// `M` is what the call took: `()` for a new map, the old map for a change. The error converts by `?` into `Error<()>`, and with
/// the feature `std` into [`std::io::Error`], which keeps the errno.
///
/// `Display` says which call failed, with its figures, the errno, the likely cause on Linux, and what to do.
///
/// # Examples
///
/// ```
/// use mmarinus::{Errno, Map, perms};
///
/// let map = Map::bytes(8192).anywhere().anonymously().with(perms::ReadWrite)?;
/// let error = map.split(100).unwrap_err();
/// assert_eq!(error.errno(), Errno::INVAL);
/// println!("{error}");
/// let map = error.into_map().expect("a refused split leaves the map whole");
/// assert_eq!(map.len(), 8192);
/// # Ok::<(), mmarinus::Error>(())
/// ```
pub struct Error<M = ()> {
    map: Option<M>,
    cause: Cause,
}

/// What failed and why: all of an error but the map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    pub(crate) operation: Operation,
    pub(crate) reason: Reason,
    pub(crate) errno: Errno,
    /// The two figures that the sentence about `reason` names.
    pub(crate) figures: [usize; 2],
}

impl Cause {
    /// The kernel's own refusal of `operation`. The figures are a length in bytes and an address, or 0 for none.
    #[cold]
    pub(crate) fn kernel(operation: Operation, errno: Errno, figures: [usize; 2]) -> Self {
        Self {
            operation,
            reason: Reason::Kernel,
            errno,
            figures,
        }
    }

    /// A refusal before the system call.
    #[cold]
    pub(crate) fn refused(operation: Operation, reason: Reason, figures: [usize; 2]) -> Self {
        Self {
            operation,
            reason,
            errno: reason.errno(),
            figures,
        }
    }
}

impl<M> Error<M> {
    /// The error of a call that took `map` and gives it back.
    #[cold]
    pub(crate) fn with_map(cause: Cause, map: M) -> Self {
        Self {
            map: Some(map),
            cause,
        }
    }

    /// The error of a call that took a map which is not there any more.
    #[cold]
    pub(crate) fn lost(cause: Cause) -> Self {
        Self { map: None, cause }
    }

    /// The map that the call took, exactly as it was; `None` if the kernel may have it no more.
    ///
    /// For a new map (`M = ()`) there is nothing to give back and the answer is `Some(())`.
    #[must_use]
    pub fn into_map(self) -> Option<M> {
        self.map
    }

    /// The same error without the map, and the map, as [`into_map`](Self::into_map) gives it.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let map = Map::bytes(8192).anywhere().anonymously().with(perms::ReadWrite)?;
    /// let (error, map) = map.split(100).unwrap_err().into_parts();
    /// assert_eq!(error.operation(), "split");
    /// assert_eq!(map.map(|map| map.len()), Some(8192));
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    #[must_use]
    pub fn into_parts(self) -> (Error, Option<M>) {
        (self.cause.into(), self.map)
    }

    /// Whether the map is still there.
    #[cfg(feature = "std")]
    pub(crate) fn has_map(&self) -> bool {
        self.map.is_some()
    }

    /// The same error with the map as something else.
    pub(crate) fn map_map<N>(self, change: impl FnOnce(M) -> N) -> Error<N> {
        Error {
            map: self.map.map(change),
            cause: self.cause,
        }
    }

    /// The errno: the kernel's, or the one that the kernel would have given where the call was refused beforehand.
    #[must_use]
    pub fn errno(&self) -> Errno {
        self.cause.errno
    }

    /// The name of the system call that failed, such as `mmap`, or of our own operation that refused, such as `split`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.cause.operation.name()
    }

    /// The likely cause on Linux and what to do about it, as a sentence.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        hint(self.cause)
    }

    /// The same error without the map, which is dropped.
    #[must_use]
    pub fn without_map(self) -> Error {
        Error {
            map: Some(()),
            cause: self.cause,
        }
    }
}

impl From<Cause> for Error {
    #[cold]
    fn from(cause: Cause) -> Self {
        Self {
            map: Some(()),
            cause,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        fault.cause().into()
    }
}

impl<P, K: Kind, B: Backing<K>> From<Error<Map<P, K, B>>> for Error {
    fn from(error: Error<Map<P, K, B>>) -> Self {
        error.without_map()
    }
}

#[cfg(feature = "std")]
impl<M> From<Error<M>> for std::io::Error {
    fn from(error: Error<M>) -> Self {
        Self::from_raw_os_error(error.errno().raw_os_error())
    }
}

impl<M> fmt::Display for Error<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cause {
            operation,
            reason,
            figures,
            errno,
        } = self.cause;
        operation.describe(reason, figures, f)?;
        write!(f, " failed with {}: ", Named(errno))?;
        if operation == Operation::MmapHuge {
            reason::describe_pool(figures[1], f)?;
        }
        f.write_str(self.hint())
    }
}

impl<M> fmt::Debug for Error<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut error = f.debug_struct("Error");
        error
            .field("operation", &self.operation())
            .field("errno", &format_args!("{}", Named(self.errno())))
            .field("hint", &self.hint());
        if size_of::<M>() != 0 {
            error.field("has_map", &self.map.is_some());
        }
        error.finish()
    }
}

impl<M> core::error::Error for Error<M> {}
