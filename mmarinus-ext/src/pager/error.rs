//! Why a map with a pager could not be made, and why a copy of one stopped.

use core::fmt;
use std::io;

/// Why a map with a pager could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// What the kernel says about the map or its userfaultfd.
    Map(mmarinus::Error),
    /// The threads that make its pages could not be started.
    Thread(io::Error),
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
            Error::Thread(error) => error,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(error) => write!(f, "{error}"),
            Self::Thread(error) => write!(
                f,
                "no thread could be started to make the pages of the map: {error}"
            ),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            // What is said already is not said again.
            Self::Map(error) => error.source(),
            Self::Thread(error) => error.source(),
        }
    }
}

/// Why a copy from or to a [`Paged`](super::Paged) map stopped, where, and how many bytes were copied before.
///
/// What was not made is made by the next copy that meets it, if it can be then.
#[derive(Debug)]
pub struct Fault<E> {
    offset: usize,
    copied: usize,
    cause: Cause<E>,
}

/// What kept a copy from or to a [`Paged`](super::Paged) map from going on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause<E> {
    /// The error of the closure that was to make the page.
    Closure(E),
    /// The closure itself copies a missing page of its map.
    OwnPage,
    /// This is a forked child, which has nobody who makes pages.
    OtherProcess,
    /// What the kernel says about bringing the page in.
    Memory(mmarinus::Error),
    /// What else the copy met: the bytes do not lie in the map, or the buffer is no memory that can be had.
    Copy(mmarinus::Fault),
}

impl<E> Fault<E> {
    /// The fault of a copy at `offset` that stopped after `copied` bytes.
    pub(super) fn stopped(offset: usize, copied: usize, cause: Cause<E>) -> Self {
        Self {
            offset,
            copied,
            cause,
        }
    }

    /// The offset in the map, in bytes, of the first byte that was not copied.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset.saturating_add(self.copied)
    }

    /// The number of bytes that were copied before it stopped.
    #[must_use]
    pub fn copied(&self) -> usize {
        self.copied
    }

    /// What kept it from going on.
    #[must_use]
    pub fn cause(&self) -> &Cause<E> {
        &self.cause
    }

    /// The same by value: the error of the closure as it gave it.
    #[must_use]
    pub fn into_cause(self) -> Cause<E> {
        self.cause
    }
}

impl<E: fmt::Display> fmt::Display for Fault<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.offset();
        match &self.cause {
            Cause::Closure(error) => write!(f, "byte {offset} of the map cannot be made: {error}"),
            Cause::OwnPage => write!(
                f,
                "byte {offset} of the map cannot be made: the closure that makes it asks for it, and would wait for itself"
            ),
            Cause::OtherProcess => write!(
                f,
                "byte {offset} of the map is not there: a forked child has nobody who makes it; make the map anew"
            ),
            Cause::Memory(error) => write!(f, "byte {offset} of the map cannot be had: {error}"),
            Cause::Copy(fault) => write!(f, "byte {offset} of the map cannot be copied: {fault}"),
        }?;
        if self.copied == 0 {
            Ok(())
        } else {
            write!(f, " ({} bytes were copied before)", self.copied)
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Fault<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.cause {
            // What is said already is not said again.
            Cause::Closure(error) => error.source(),
            Cause::OwnPage | Cause::OtherProcess => None,
            Cause::Memory(error) => error.source(),
            Cause::Copy(fault) => fault.source(),
        }
    }
}
