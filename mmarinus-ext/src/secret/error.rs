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
            Error::Gone => Self::other(error),
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
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Map(error) => Some(error),
            Self::Gone => None,
        }
    }
}
