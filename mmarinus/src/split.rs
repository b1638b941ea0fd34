//! Cutting a map in two.
#![expect(unsafe_code, reason = "says what the pages of both parts are")]

use crate::backing::Backing;
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Cuts the map in two, `offset` bytes after its first byte. Makes no system call.
    ///
    /// A page must start at the cut: `addr() + offset` is a multiple of [`page_size`](Self::page_size). A part may be empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let page = Map::bytes(1).anonymously().with(perms::None)?.page_size();
    /// let map = Map::bytes(3 * page).anywhere().anonymously().with(perms::ReadWrite)?;
    /// let (head, tail) = map.split(page)?;
    /// let tail = tail.reprotect(perms::Read)?;
    /// assert_eq!((head.len(), tail.len()), (page, 2 * page));
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL` if no page of the map starts there; the map comes back.
    #[inline]
    pub fn split(self, offset: usize) -> Result<(Self, Self), Error<Self>> {
        let (perms, region) = self.into_region();
        match region.split(offset) {
            Ok((first, second)) => {
                // SAFETY: the pages of both were pages of this map.
                let first = unsafe { Self::from_region(perms, first) };
                // SAFETY: as above.
                let second = unsafe { Self::from_region(perms, second) };
                Ok((first, second))
            }
            Err(region) => {
                let figures = [offset, region.as_ptr().addr()];
                // SAFETY: the region is this map's, unchanged.
                let map = unsafe { Self::from_region(perms, region) };
                Err(Error::with_map(
                    Cause::refused(Operation::Split, Reason::NotOnPage, figures),
                    map,
                ))
            }
        }
    }

    /// Cuts the map in two at an address: as [`split`](Self::split) at `addr - self.addr()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if no page of the map starts there; the map comes back.
    #[inline]
    pub fn split_addr(self, addr: usize) -> Result<(Self, Self), Error<Self>> {
        // An address before the map gives an offset past its end.
        let offset = addr.wrapping_sub(self.addr());
        self.split(offset)
    }
}
