//! Mapping the pages of a shared map a second time.
#![expect(unsafe_code, reason = "says what the pages of the second map are")]

use crate::backing::{Backing, Duplicable};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Maps the same pages once more, elsewhere, with the same permissions: `mremap` with an old size of 0.
    ///
    /// What is written to one is seen in the other. The second map has the atomics' width of this one, if one is fixed. Only
    /// shared maps have something to share; those with slices have twins only if nobody writes them, as
    /// [`Sealed`](crate::backing::Sealed) ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let map = Map::bytes(4096).anywhere().anonymously().with_kind(Shared).with(perms::ReadWrite)?;
    /// let twin = map.duplicate()?;
    /// map.view(..)?.write_at(0, b"hello")?;
    /// let mut bytes = [0; 5];
    /// twin.read_at(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"hello");
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EFAULT`: the kernel holds the map as several mappings, since parts of it were locked, advised or joined.
    /// - `EINVAL`: the driver of a device does not allow it, or the pages are huge.
    /// - `ENOMEM`: no room, or `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html)
    pub fn duplicate(&self) -> Result<Self, Error>
    where
        B: Duplicable<K>,
    {
        let (address, len) = self.pages();
        if self.region().is_huge() && len != 0 {
            return Err(
                Cause::refused(Operation::Duplicate, Reason::HugeTwice, [len, address]).into(),
            );
        }
        let region = self
            .region()
            .duplicate()
            .map_err(|errno| Cause::kernel(Operation::Duplicate, errno, [len, address]))?;
        // SAFETY: these are the same pages of the same object, with the same permissions. Either no slice of them exists, or the
        // object is sealed, so that no map writes it (`Duplicable`): the kernel makes no shared map of it writable.
        Ok(unsafe { Self::from_region(self.perms(), region) })
    }
}
