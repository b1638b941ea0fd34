//! Making one map of two neighbours.
#![expect(unsafe_code, reason = "says what the pages of the joined map are")]

use crate::backing::Backing;
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Makes one map of this one and the one right behind it. Makes no system call.
    ///
    /// Both have the same permissions, kind and backing, and the second starts, at a page of the same size, right where this one
    /// ends: the halves of a [`split`](Self::split) fit.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let page = Map::bytes(1).anonymously().with(perms::None)?.page_size();
    /// let map = Map::bytes(2 * page).anywhere().anonymously().with(perms::ReadWrite)?;
    /// let (first, second) = map.split(page)?;
    /// let map = first.join(second).map_err(|error| error.without_map())?;
    /// assert_eq!(map.len(), 2 * page);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL` if they do not fit; both come back.
    pub fn join(self, second: Self) -> Result<Self, Error<(Self, Self)>> {
        let figures = [self.addr().wrapping_add(self.len()), second.addr()];
        let same = self.permissions() == second.permissions();
        let ((perms, first), (second_perms, second)) = (self.into_region(), second.into_region());
        let joined = if same {
            first.join(second)
        } else {
            Err((first, second))
        };
        match joined {
            // SAFETY: the pages of both had these permissions, kind and backing.
            Ok(region) => Ok(unsafe { Self::from_region(perms, region) }),
            Err((first, second)) => {
                // SAFETY: the region is unchanged.
                let first = unsafe { Self::from_region(perms, first) };
                // SAFETY: the region is unchanged.
                let second = unsafe { Self::from_region(second_perms, second) };
                let cause = Cause::refused(Operation::Join, Reason::NotNeighbours, figures);
                Err(Error::with_map(cause, (first, second)))
            }
        }
    }
}
