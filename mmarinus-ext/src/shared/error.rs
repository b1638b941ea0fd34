//! Why a lock could not be had.

use core::fmt;
use std::io;

use mmarinus::Errno;

/// Why a [`Lock`](super::Lock) could not be had, or the closure of a [`Once`](super::Once) not be awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The calling thread has it already, or runs the closure: to wait would be to wait for ever.
    Deadlock,
    /// Somebody else had it all the time, or nobody counted so far ([`Counter::wait_within`](super::Counter::wait_within)).
    TimedOut,
    /// It was used first in another pid or time namespace, where threads have other numbers or starts.
    Elsewhere,
    /// `/proc` does not tell which thread this is, so nobody could tell later whether it has died.
    Unknown(Errno),
}

impl Error {
    /// The errno that the kernel uses for this.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::Deadlock => Errno::DEADLK,
            Self::TimedOut => Errno::TIMEDOUT,
            Self::Elsewhere => Errno::XDEV,
            Self::Unknown(errno) => *errno,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        error.errno().into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadlock => f.write_str(
                "the calling thread has the lock already, and would wait for itself; drop the guard before",
            ),
            Self::TimedOut => f.write_str(
                "the time was over before somebody else gave back the lock or counted so far; give it more time",
            ),
            Self::Elsewhere => f.write_str(
                "the lock was used first in another pid or time namespace, where threads have other numbers; \
                 share it within one, or begin with zeros",
            ),
            Self::Unknown(errno) => write!(
                f,
                "which thread this is cannot be read in /proc/thread-self/stat ({errno}); \
                 mount the /proc of this pid namespace",
            ),
        }
    }
}

impl core::error::Error for Error {}
