//! Room in the file for what is written to a shared map later.
#![expect(unsafe_code, reason = "gives the kernel advice about pages")]

use core::ops::RangeBounds;

use mmarinus_sys::Advice;

use crate::backing::{Backing, Syncable};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::MayWrite;

impl<P: MayWrite, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Has the file system give the file room for all pages around a range of bytes: `madvise` with `MADV_POPULATE_WRITE` (since
    /// Linux 5.14).
    ///
    /// Afterwards the pages are in memory, and writing to them does not fail for lack of room. No byte changes; holes read as
    /// zeros before and afterwards. Where a file system copies on write (btrfs, files that share blocks), a page that was
    /// written back needs new room when it is written again, so there this lasts only until then.
    ///
    /// It is the way to the allocated blocks that [`assume_stable`](Map::assume_stable) and
    /// [`assume_present`](Map::assume_present) ask for.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Map, Shared, perms};
    ///
    /// let file = tempfile::tempfile()?;
    /// file.set_len(1 << 20)?; // One hole.
    /// let mut map = Map::bytes(1 << 20).anywhere().from(&file, 0).with_kind(Shared).with(perms::ReadWrite)?;
    /// match map.preallocate(..) {
    ///     Ok(()) => map.write_at(1 << 19, b"there is room")?,
    ///     Err(error) => assert_eq!(error.errno(), Errno::INVAL), // Before Linux 5.14.
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Part of the range may have room then.
    ///
    /// - `EACCES`: the remembered permissions do not include writing.
    /// - `EFAULT`: the storage is full or failed, a quota is used up, or the file ends before the range does.
    /// - `EINVAL`: the range does not lie in the map; or the kernel is older than 5.14.
    /// - `ENOMEM`: memory ran out.
    ///
    /// # References
    ///
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    pub fn preallocate(&self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        B: Syncable<K>,
    {
        let range = self.bytes_of(range)?;
        let figures = [range.len(), self.addr() + range.start];
        if !self.perms().may_write() {
            let refusal = Cause::refused(Operation::Preallocate, Reason::Forbidden, figures);
            return Err(refusal.into());
        }
        // SAFETY: to bring a page in for writing changes no byte of it.
        unsafe { self.region().advise(range, Advice::POPULATE_WRITE) }
            .map_err(|errno| Cause::kernel(Operation::Preallocate, errno, figures).into())
    }
}
