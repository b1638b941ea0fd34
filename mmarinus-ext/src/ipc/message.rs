//! A message that was received: its payload, and descriptors that are still to be verified.

use std::os::fd::OwnedFd;

use super::error::Error;
use crate::memfd::{self, Memfd, State};

/// A message that was received. Descriptors that are not taken out of it are closed with it.
#[derive(Debug)]
pub struct Message {
    pub(super) payload: Vec<u8>,
    pub(super) fds: Vec<OwnedFd>,
}

impl Message {
    /// The bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The descriptors, of which nothing is known: they may be anything.
    #[must_use]
    pub fn fds(&self) -> &[OwnedFd] {
        &self.fds
    }

    /// The bytes and the descriptors.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Vec<OwnedFd>) {
        (self.payload, self.fds)
    }

    /// The bytes, and the descriptors as memfds, each of which is verified to be in the state `S`.
    ///
    /// # Examples
    ///
    /// See [the module](crate::ipc).
    ///
    /// # Errors
    ///
    /// - [`Error::Memfd`]: one is not what it should be. All are closed.
    pub fn memfds<S: State>(self) -> Result<(Vec<u8>, Vec<Memfd<S>>), Error> {
        let verified = self.fds.into_iter().map(Memfd::try_from);
        match verified.collect() {
            Ok(files) => Ok((self.payload, files)),
            Err(error) => Err(memfd::Error::<OwnedFd>::without_inner(error).into()),
        }
    }
}
