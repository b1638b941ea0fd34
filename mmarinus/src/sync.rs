//! Writing shared pages back to their file.

use core::ops::RangeBounds;

use mmarinus_sys::MsyncFlags;

use crate::backing::{Backing, Syncable};
use crate::error::{Cause, Error, Operation};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Writes the pages around a range of bytes back to their file, and waits until they are there: `msync` with `MS_SYNC`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let file = tempfile::tempfile()?;
    /// file.set_len(4096)?;
    /// let mut map = Map::bytes(4096).anywhere().from(&file, 0).with_kind(Shared).with(perms::ReadWrite)?;
    /// map.write_at(0, b"durable")?;
    /// map.sync(..)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range does not lie in the map.
    /// - `EIO`: the storage failed.
    ///
    /// # References
    ///
    /// [msync(2)](https://man7.org/linux/man-pages/man2/msync.2.html)
    pub fn sync(&self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        B: Syncable<K>,
    {
        self.sync_with(range, MsyncFlags::SYNC)
    }

    /// Has the pages around a range of bytes written back to their file soon: `msync` with `MS_ASYNC`. Linux does that anyway.
    ///
    /// # Errors
    ///
    /// As for [`sync`](Self::sync).
    pub fn sync_async(&self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        B: Syncable<K>,
    {
        self.sync_with(range, MsyncFlags::ASYNC)
    }

    /// Has other maps of the file see what was written here: `msync` with `MS_INVALIDATE`. On Linux they always do.
    ///
    /// # Errors
    ///
    /// As for [`sync`](Self::sync); `EBUSY` if pages are locked.
    pub fn invalidate(&self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        B: Syncable<K>,
    {
        self.sync_with(range, MsyncFlags::INVALIDATE)
    }

    /// Makes the call.
    fn sync_with(&self, range: impl RangeBounds<usize>, flags: MsyncFlags) -> Result<(), Error>
    where
        B: Syncable<K>,
    {
        let range = self.bytes_of(range)?;
        let figures = [range.len(), self.addr() + range.start];
        self.region()
            .sync(range, flags)
            .map_err(|errno| Cause::kernel(Operation::Msync, errno, figures).into())
    }
}
