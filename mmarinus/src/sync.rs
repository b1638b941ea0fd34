//! Writing shared pages back to their file, by the kernel or by the CPU.
#![expect(unsafe_code, reason = "writes cache lines of a map back")]

use core::ops::RangeBounds;

use mmarinus_sys::{MsyncFlags, ProtFlags};

use crate::backing::{Backing, Syncable};
use crate::copy::Access;
use crate::error::{Error, Operation};
use crate::hints::refused;
use crate::kind::Kind;
use crate::lines;
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
    #[inline]
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
    #[inline]
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
    #[inline]
    pub fn invalidate(&self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        B: Syncable<K>,
    {
        self.sync_with(range, MsyncFlags::INVALIDATE)
    }

    /// Makes what was written to a range of bytes through this map durable, in the cheapest way that does.
    ///
    /// On a [`synchronous`](crate::Builder::synchronous) map whose pages cannot fault ([`Stable`](crate::backing::Stable),
    /// [`Present`](crate::backing::Present)) and that may be read, the CPU writes the cache lines around the range back (`clwb`,
    /// `clflushopt`, `clflush`; `dc cvap`, `dc cvac`), without a system call. Everywhere else it is [`sync`](Self::sync).
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let file = tempfile::tempfile()?;
    /// file.set_len(4096)?;
    /// let mut map = Map::bytes(4096).anywhere().from(&file, 0).with_kind(Shared).with(perms::ReadWrite)?;
    /// map.write_at(100, b"durable")?;
    /// map.persist(100..107)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`sync`](Self::sync).
    ///
    /// # References
    ///
    /// [msync(2)](https://man7.org/linux/man-pages/man2/msync.2.html)
    pub fn persist(&self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        B: Syncable<K>,
    {
        let range = self.bytes_of(range)?;
        let is_there = B::ACCESS != Access::Kernel && self.permissions().contains(ProtFlags::READ);
        if is_there && self.region().is_synchronous() {
            let start = self.as_ptr().wrapping_add(range.start);
            // SAFETY: the bytes lie in this map, whose pages may be read (above) and are there: only where the pair is
            // `NoFault` is a copy not left to the kernel.
            if unsafe { lines::write_back(start, range.len()) } {
                return Ok(());
            }
        }
        self.sync_with(range, MsyncFlags::SYNC)
    }

    /// Makes the call.
    #[inline]
    fn sync_with(&self, range: impl RangeBounds<usize>, flags: MsyncFlags) -> Result<(), Error>
    where
        B: Syncable<K>,
    {
        let range = self.bytes_of(range)?;
        match self.region().sync(range.clone(), flags) {
            Ok(()) => Ok(()),
            Err(errno) => Err(refused(Operation::Msync, errno, self.addr(), range)),
        }
    }
}
