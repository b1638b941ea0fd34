//! The pages of a secret, which are accessible for a while.

use core::mem;

use mmarinus::backing::{Backing, NoRace};
use mmarinus::kind::Kind;
use mmarinus::perms::Permissions;
use mmarinus::{Map, perms};
use zeroize::Zeroize;

use super::error::Error;

/// Pages of one kind, and what they allow just now.
#[derive(Debug)]
pub(super) enum Pages<K: Kind, B: Backing<K>> {
    /// Nobody may touch them.
    Closed(Map<perms::None, K, B>),
    /// They may be read.
    Readable(Map<perms::Read, K, B>),
    /// They may be read and written.
    Writable(Map<perms::ReadWrite, K, B>),
    /// They are unmapped, since nobody knows what they allow. Also for the length of a change.
    Gone,
}

impl<K: Kind, B: NoRace<K>> Pages<K, B> {
    /// Lets nobody touch them.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        *self = Self::Closed(self.reprotected(perms::None)?);
        Ok(())
    }

    /// Lets them be read.
    pub(super) fn open(&mut self) -> Result<(), Error> {
        *self = Self::Readable(self.reprotected(perms::Read)?);
        Ok(())
    }

    /// Lets them be read and written.
    pub(super) fn open_to_write(&mut self) -> Result<(), Error> {
        *self = Self::Writable(self.reprotected(perms::ReadWrite)?);
        Ok(())
    }

    /// Takes the map out with other permissions. After an error it is what it was, or gone.
    fn reprotected<Q: Permissions>(&mut self, perms: Q) -> Result<Map<Q, K, B>, Error> {
        let changed = match mem::replace(self, Self::Gone) {
            Self::Closed(map) => map
                .reprotect(perms)
                .map_err(|error| kept(error, Self::Closed)),
            Self::Readable(map) => map
                .reprotect(perms)
                .map_err(|error| kept(error, Self::Readable)),
            Self::Writable(map) => map
                .reprotect(perms)
                .map_err(|error| kept(error, Self::Writable)),
            Self::Gone => return Err(Error::Gone),
        };
        changed.map_err(|(error, old)| {
            *self = old;
            error.into()
        })
    }

    /// The bytes, as long as they may be read.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Readable(map) => map,
            Self::Writable(map) => map,
            Self::Closed(_) | Self::Gone => &[],
        }
    }

    /// The bytes, as long as they may be written.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Writable(map) => map,
            Self::Closed(_) | Self::Readable(_) | Self::Gone => &mut [],
        }
    }

    /// Overwrites them with zeros.
    pub(super) fn wipe(&mut self) {
        // Of pages that do not open nothing can be written; the kernel wipes those of `memfd_secret` itself.
        if self.open_to_write().is_ok() {
            self.bytes_mut().zeroize();
        }
    }
}

/// Why a change failed, and the pages as they are.
fn kept<P, K: Kind, B: Backing<K>>(
    error: mmarinus::Error<Map<P, K, B>>,
    as_before: impl FnOnce(Map<P, K, B>) -> Pages<K, B>,
) -> (mmarinus::Error, Pages<K, B>) {
    let (error, map) = error.into_parts();
    (error, map.map_or(Pages::Gone, as_before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiped_pages_are_zeros() {
        let map = Map::bytes(5000).anonymously().with(perms::ReadWrite);
        let mut pages = Pages::Writable(map.unwrap());
        pages.bytes_mut().fill(7);
        pages.close().unwrap();
        assert!(pages.bytes().is_empty() && pages.bytes_mut().is_empty());
        pages.wipe();
        pages.open().unwrap();
        assert!(pages.bytes_mut().is_empty());
        assert_eq!(pages.bytes(), [0; 5000]);
    }
}
