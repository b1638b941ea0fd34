//! The pages of a secret, which are accessible for a while.

use core::mem;

use mmarinus::backing::{Anonymous, Backing, NoRace};
use mmarinus::kind::Kind;
use mmarinus::perms::Permissions;
use mmarinus::{Map, Private, perms};
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

    /// Overwrites them with zeros, if they may be written or can be opened for that.
    pub(super) fn wipe(&mut self) -> Result<(), Error> {
        if !matches!(self, Self::Writable(_)) {
            self.open_to_write()?;
        }
        self.bytes_mut().zeroize();
        Ok(())
    }
}

impl Pages<Private, Anonymous> {
    /// Gives the memory back, whatever it allows: they are zeros afterwards. For pages that do not open, and may not be unmapped
    /// either.
    pub(super) fn empty(&mut self) -> Result<(), Error> {
        match self {
            Self::Closed(map) => empty(map),
            Self::Readable(map) => empty(map),
            Self::Writable(map) => empty(map),
            Self::Gone => Err(Error::Gone),
        }
    }
}

/// Gives memory back: `madvise`.
fn empty<P: Permissions>(map: &mut Map<P, Private, Anonymous>) -> Result<(), Error> {
    if map.discard(..).is_err() {
        // Before Linux 5.18 that is not for locked pages.
        map.unlock(..)?;
        map.discard(..)?;
    }
    Ok(())
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

    /// Pages of 5000 bytes that are not 0.
    fn filled() -> Pages<Private, Anonymous> {
        let map = Map::bytes(5000).anonymously().with(perms::ReadWrite);
        let mut pages = Pages::Writable(map.unwrap());
        pages.bytes_mut().fill(7);
        pages
    }

    #[test]
    fn wiped_pages_are_zeros() {
        let mut pages = filled();
        pages.close().unwrap();
        assert!(pages.bytes().is_empty() && pages.bytes_mut().is_empty());
        pages.wipe().unwrap();
        pages.open().unwrap();
        assert!(pages.bytes_mut().is_empty());
        assert_eq!(pages.bytes(), [0; 5000]);
    }

    #[test]
    fn emptied_pages_are_zeros() {
        type Open = fn(&mut Pages<Private, Anonymous>) -> Result<(), Error>;
        for open in [Pages::close as Open, Pages::open, Pages::open_to_write] {
            let mut pages = filled();
            if let Pages::Writable(map) = &pages {
                map.lock(..).unwrap();
            }
            open(&mut pages).unwrap();
            pages.empty().unwrap();
            pages.open().unwrap();
            assert_eq!(pages.bytes(), [0; 5000]);
        }
        let mut gone = Pages::<Private, Anonymous>::Gone;
        assert!(gone.empty().is_err() && gone.wipe().is_err());
    }
}
