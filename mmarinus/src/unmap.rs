//! Unmapping explicitly, so that an error is seen.
#![expect(unsafe_code, reason = "gives a map back that could not be unmapped")]

use crate::backing::Backing;
use crate::error::{Cause, Error, Operation};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Unmaps the map: `munmap`. Dropping it does the same, but cannot report an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let map = Map::bytes(4096).anywhere().anonymously().with(perms::Read)?;
    /// map.unmap()?;
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ENOMEM` if the pages are the middle of what the kernel holds as one mapping, and `vm.max_map_count` leaves no room for
    /// two. The map comes back, whole.
    ///
    /// # References
    ///
    /// [munmap(2)](https://man7.org/linux/man-pages/man2/munmap.2.html)
    #[inline]
    pub fn unmap(self) -> Result<(), Error<Self>> {
        let (perms, region) = self.into_region();
        region.unmap().map_err(|(region, errno)| {
            let (address, len) = region.pages();
            let cause = Cause::kernel(Operation::Munmap, errno, [len, address]);
            // SAFETY: the region is this map's; a munmap that fails on pages of one mapping changes nothing.
            Error::with_map(cause, unsafe { Self::from_region(perms, region) })
        })
    }
}
