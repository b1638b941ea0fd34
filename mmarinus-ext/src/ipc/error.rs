//! Why a message could not be sent or received.

use core::fmt;
use std::io;

use crate::memfd;

/// Why a message could not be sent or received. Descriptors that came with it are closed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// What the kernel says. [`WouldBlock`](io::ErrorKind::WouldBlock) is no more than that: what has come so far is kept, and
    /// the next call goes on from there.
    Io(io::Error),
    /// More descriptors than may be sent at once, or than the receiver takes.
    TooManyFds {
        /// How many there may be.
        limit: usize,
    },
    /// A longer payload than the receiver takes.
    TooLong {
        /// How many bytes it has.
        len: u64,
        /// How many there may be.
        limit: usize,
    },
    /// Not all descriptors of a message could be taken into this process, which may have no more open.
    LostFds,
    /// Another number of descriptors than the message says.
    WrongCount {
        /// As many should be there.
        told: usize,
        /// As many are.
        came: usize,
    },
    /// What came is no message of a [`Connection`](super::Connection).
    NoMessage,
    /// The peer has closed the connection, or died, in the middle of a message.
    Cut,
    /// An earlier error has left the connection in the middle of a message.
    Broken,
    /// A descriptor is no memfd in the state that was asked for.
    Memfd(memfd::Error),
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl From<memfd::Error> for Error {
    fn from(error: memfd::Error) -> Self {
        Self::Memfd(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        use io::ErrorKind as Kind;
        let kind = match error {
            Error::Io(error) => return error,
            Error::Memfd(error) => return error.into(),
            Error::Cut => Kind::UnexpectedEof,
            Error::Broken => Kind::BrokenPipe,
            Error::TooManyFds { .. } | Error::TooLong { .. } | Error::LostFds => {
                Kind::QuotaExceeded
            }
            Error::WrongCount { .. } | Error::NoMessage => Kind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
                Some(rustix::io::Errno::TOOMANYREFS) => write!(
                    f,
                    "{error}: more descriptors are on their way than this user may have open (ulimit -n); wait until the peer \
                     has received some"
                ),
                Some(rustix::io::Errno::MSGSIZE) => write!(
                    f,
                    "{error}: a datagram is no longer than the send buffer (SO_SNDBUF); put what is large into a memfd"
                ),
                _ => write!(f, "{error}"),
            },
            Self::TooManyFds { limit } => write!(f, "a message with more than {limit} descriptors"),
            Self::TooLong { len, limit } => write!(
                f,
                "a message of {len} bytes, where {limit} are allowed; raise the limit, or put what is large into a memfd"
            ),
            Self::LostFds => f.write_str(
                "not all descriptors of a message could be received, as this process may have no more open (ulimit -n); \
                 close some",
            ),
            Self::WrongCount { told, came } => write!(f, "a message of {told} descriptors came with {came}"),
            Self::NoMessage => f.write_str("what came is no message of a `Connection`; the peer speaks another protocol"),
            Self::Cut => f.write_str("the peer has closed the connection in the middle of a message, or died"),
            Self::Broken => f.write_str(
                "an earlier error has left the connection in the middle of a message, so where the next one begins is not known",
            ),
            Self::Memfd(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Memfd(error) => Some(error),
            _ => None,
        }
    }
}
