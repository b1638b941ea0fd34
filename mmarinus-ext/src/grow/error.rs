//! Why a buffer did not grow or shrink.

use core::fmt;
use std::io;

/// Why a buffer did not grow or shrink. It has all the elements that it had, where they were.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// It would have more elements than were reserved for it.
    Full {
        /// How many it may have.
        limit: usize,
    },
    /// What the kernel says.
    Map(mmarinus::Error),
}

impl From<mmarinus::Error> for Error {
    fn from(error: mmarinus::Error) -> Self {
        Self::Map(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Map(error) => error.into(),
            Error::Full { .. } => Self::new(io::ErrorKind::StorageFull, error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { limit } => write!(
                f,
                "the buffer has addresses for {limit} elements and no more; make it with a larger limit, which costs no memory"
            ),
            Self::Map(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Full { .. } => None,
            Self::Map(error) => Some(error),
        }
    }
}
