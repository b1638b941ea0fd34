//! Why a ring could not be set up, and why a half could not go on.

use core::fmt;
use std::io::{self, ErrorKind};

use mmarinus::Errno;

use super::alone::Ring;
use super::protocol::MAX_CAPACITY;
use crate::memfd;

/// Why a half could not read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to read yet, or no room yet, and the half does not wait.
    WouldBlock,
    /// There was nothing to read, or no room, for as long as the half waits.
    TimedOut,
    /// The consumer was dropped: nobody reads what would be written.
    Closed,
    /// The process with the other half has died without a word. What it had written before can still be read.
    Died,
    /// The other half says something impossible of itself: that it was at a place that does not exist, or had more than there
    /// is, or has gone back. It does not keep to the protocol, by mistake or on purpose.
    Impossible {
        /// What it says: its position, and in the highest bit whether it is closed.
        word: u32,
    },
    /// More was waited for than the ring ever holds.
    TooMuch {
        /// How many bytes that were.
        asked: usize,
        /// How many it holds.
        capacity: usize,
    },
    /// The kernel refuses to copy. It is asked on architectures for which there is no copy in assembly.
    Uncopied(Errno),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => {
                f.write_str("the ring has nothing to read, or no room, at the moment")
            }
            Self::TimedOut => {
                f.write_str("the ring had nothing to read, or no room, for as long as was waited")
            }
            Self::Closed => f.write_str(
                "the consumer of the ring was dropped, so nobody reads what would be written",
            ),
            Self::Died => f.write_str("the process with the other half of the ring has died"),
            Self::Impossible { word } => write!(
                f,
                "the other half of the ring says that it is at {:#x}{}, where it cannot be; it does not keep to the protocol, so \
                 drop the ring",
                word & !super::protocol::CLOSED,
                if word & super::protocol::CLOSED == 0 {
                    ""
                } else {
                    " and closed"
                },
            ),
            Self::TooMuch { asked, capacity } => write!(
                f,
                "{asked} bytes at once were waited for in a ring of {capacity}; wait for less, or make a larger one"
            ),
            Self::Uncopied(errno) => write!(f, "bytes of the ring could not be copied: {errno}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<Error> for io::Error {
    #[cold]
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::WouldBlock => ErrorKind::WouldBlock,
            Error::TimedOut => ErrorKind::TimedOut,
            Error::Closed => ErrorKind::BrokenPipe,
            Error::Died => ErrorKind::ConnectionReset,
            Error::Impossible { .. } => ErrorKind::InvalidData,
            Error::TooMuch { .. } => ErrorKind::InvalidInput,
            Error::Uncopied(errno) => return errno.into(),
        };
        Self::new(kind, error)
    }
}

/// Why a ring could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum SetupError {
    /// A ring that two halves share holds at least a byte, and at most 1 GiB.
    TooLarge {
        /// The bytes that it was to hold.
        capacity: usize,
    },
    /// The file is no ring: its length or its first bytes are other ones.
    NoRing,
    /// The file is a ring of another layout.
    OtherVersion {
        /// The number of that.
        version: u32,
    },
    /// The file says that it holds another number of bytes than it does.
    OtherCapacity {
        /// As many it says.
        told: usize,
        /// As many it holds.
        capacity: usize,
    },
    /// Somebody is, or was, that half of the ring already.
    Taken,
    /// It cannot be mapped.
    Map(mmarinus::Error),
    /// The file cannot be made, or sealed.
    Memfd(memfd::Error),
}

impl From<mmarinus::Error> for SetupError {
    fn from(error: mmarinus::Error) -> Self {
        Self::Map(error)
    }
}

impl<M> From<memfd::Error<M>> for SetupError
where
    memfd::Error: From<memfd::Error<M>>,
{
    fn from(error: memfd::Error<M>) -> Self {
        Self::Memfd(error.into())
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { capacity } => write!(
                f,
                "a ring of {capacity} bytes for two halves, where at least 1 and at most {MAX_CAPACITY} are possible"
            ),
            Self::NoRing => f.write_str("the file is no ring: its length or its first bytes are those of something else"),
            Self::OtherVersion { version } => {
                write!(f, "the file is a ring of version {version}, which is not known here")
            }
            Self::OtherCapacity { told, capacity } => {
                write!(f, "the file says that it is a ring of {told} bytes, and has room for {capacity}")
            }
            Self::Taken => f.write_str(
                "that half of the ring is, or was, somebody else's; make a new ring for each pair of halves",
            ),
            Self::Map(error) => write!(f, "{error}"),
            Self::Memfd(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for SetupError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Map(error) => Some(error),
            Self::Memfd(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SetupError> for io::Error {
    fn from(error: SetupError) -> Self {
        let kind = match error {
            SetupError::Map(error) => return error.into(),
            SetupError::Memfd(error) => return error.into(),
            SetupError::TooLarge { .. } => ErrorKind::InvalidInput,
            SetupError::Taken => ErrorKind::ResourceBusy,
            _ => ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// A ring that could not be [split](Ring::split), and why.
#[derive(Debug)]
pub struct Unsplit {
    ring: Ring,
    why: SetupError,
}

impl Unsplit {
    pub(super) fn new(ring: Ring, why: SetupError) -> Self {
        Self { ring, why }
    }

    /// The ring, as it was.
    #[must_use]
    pub fn into_ring(self) -> Ring {
        self.ring
    }

    /// Why it could not be split.
    #[must_use]
    pub fn why(&self) -> &SetupError {
        &self.why
    }
}

impl fmt::Display for Unsplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why)
    }
}

impl core::error::Error for Unsplit {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.why.source()
    }
}

impl From<Unsplit> for io::Error {
    fn from(unsplit: Unsplit) -> Self {
        unsplit.why.into()
    }
}
