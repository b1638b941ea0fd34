//! Why a secret could not be made or reached.

use core::fmt;
use std::io;

/// Why a secret could not be made or reached.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// What the kernel says. A secret that was there is there.
    Map(mmarinus::Error),
    /// The kernel refused to change what its pages allow, and to change it back. They were unmapped.
    Gone,
    /// This is a forked child, which does not have the secret of its parent.
    Forked,
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
            Error::Gone | Error::Forked => Self::other(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(error) => write!(f, "{error}"),
            Self::Gone => f.write_str(
                "the secret is gone: the kernel refused to change what its pages allow, so they were unmapped",
            ),
            Self::Forked => f.write_str(
                "the secret is that of the parent process, and a forked child does not have it; use it before, or make one there",
            ),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Map(error) => Some(error),
            Self::Gone | Self::Forked => None,
        }
    }
}
