//! Calls that change bytes of whole pages: to zeros, back to the file, or into a hole in it; and pages that may be freed.
#![expect(unsafe_code, reason = "the kernel changes bytes of a map")]

use core::ops::{Range, RangeBounds};

use mmarinus_sys::{Advice, ProtFlags};

use crate::backing::{Anonymous, Backing, Discardable, Exposed, File, Revertible, Unsliced};
use crate::error::{Cause, Error, Operation, Reason};
use crate::extent::Extent;
use crate::kind::{Kind, Private, Shared};
use crate::map::Map;
use crate::perms::Permissions;
use crate::range::resolve;
use crate::view::View;

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Gives the pages of a range back: their bytes are zero afterwards, here and for all who share them. `madvise` with
    /// `MADV_DONTNEED` (private) or `MADV_REMOVE` (shared).
    ///
    /// The range starts and ends where pages do, or where the map does.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let mut map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map[0] = 7;
    /// map.discard(..)?;
    /// assert_eq!(map[0], 0);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Part of the range may be zeroed then.
    ///
    /// - `EACCES`: a shared map that may not be written.
    /// - `EINVAL`: the range does not lie in the map, or not on whole pages; the pages are shared and locked; the map is
    ///   exposed and was made of a file.
    ///
    /// # References
    ///
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    pub fn discard(&mut self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        B: Discardable<K>,
    {
        let extent = self.region().extent();
        let range = whole_pages(extent, range, Ends::OfMap)?;
        // SAFETY: the map is borrowed mutably, and zeros are what such pages may hold (`Discardable`).
        unsafe { discard::<P, K, B>(self.perms(), extent, range) }
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> View<'_, P, K, B> {
    /// Gives the pages of a range back, as [`Map::discard`], beside others that use the map: a balloon beside virtual CPUs.
    ///
    /// The range starts and ends where pages do.
    ///
    /// # Errors
    ///
    /// As for [`Map::discard`].
    pub fn discard(&self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        B: Discardable<K> + Unsliced<K>,
    {
        let range = whole_pages(self.extent(), range, Ends::OfPages)?;
        // SAFETY: no slice of the map exists (`Unsliced`), and zeros are what such pages may hold (`Discardable`).
        unsafe { discard::<P, K, B>(self.perms(), self.extent(), range) }
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Drops what was written to the pages of a range of a private map: they show the file again. `madvise` with
    /// `MADV_DONTNEED`.
    ///
    /// The range starts and ends where pages do, or where the map does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use mmarinus::{Map, perms};
    /// use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    ///
    /// let mut file = std::fs::File::from(memfd_create("template", MemfdFlags::ALLOW_SEALING)?);
    /// file.write_all(b"hello")?;
    /// fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW)?;
    /// let mut map = Map::bytes(5).anywhere().from_sealed(&file, 0).with(perms::ReadWrite)?;
    /// map[0] = b'j';
    /// map.revert(..)?;
    /// assert_eq!(&map[..], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Part of the range may show the file then.
    ///
    /// `EINVAL`: the range does not lie in the map, or not on whole pages; or, before Linux 5.18, the pages are locked.
    ///
    /// # References
    ///
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    pub fn revert(&mut self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        B: Revertible<K>,
    {
        let extent = self.region().extent();
        let range = whole_pages(extent, range, Ends::OfMap)?;
        // SAFETY: the map is private (`Revertible`) and borrowed mutably; its object is all that the other traits say of it.
        unsafe { drop_pages(extent, range) }
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> View<'_, P, K, B> {
    /// Drops what was written to the pages of a range, as [`Map::revert`], beside others that use the map.
    ///
    /// The range starts and ends where pages do.
    ///
    /// # Errors
    ///
    /// As for [`Map::revert`].
    pub fn revert(&self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        B: Revertible<K> + Unsliced<K>,
    {
        let range = whole_pages(self.extent(), range, Ends::OfPages)?;
        // SAFETY: the pages lie in a private map (`Revertible`) that lives and has no slices (`Unsliced`).
        unsafe { drop_pages(self.extent(), range) }
    }
}

impl<P: Permissions> Map<P, Shared, File> {
    /// Frees the blocks of the file behind a range: its bytes are zero afterwards, for all who have the file. `madvise` with
    /// `MADV_REMOVE`.
    ///
    /// The range starts and ends where pages do.
    ///
    /// # Errors
    ///
    /// - `EACCES`: the map may not be written.
    /// - `EINVAL`: the range does not lie in the map, or not on whole pages; or the pages are locked.
    /// - `EOPNOTSUPP`: the file system has no holes.
    ///
    /// # References
    ///
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    pub fn punch_hole(&mut self, range: impl RangeBounds<usize>) -> Result<(), Error> {
        self.whole_view().punch_hole(range)
    }
}

impl<P: Permissions> View<'_, P, Shared, File> {
    /// Frees the blocks of the file behind a range, as [`Map::punch_hole`].
    ///
    /// # Errors
    ///
    /// As for [`Map::punch_hole`].
    pub fn punch_hole(&self, range: impl RangeBounds<usize>) -> Result<(), Error> {
        let range = whole_pages(self.extent(), range, Ends::OfPages)?;
        // SAFETY: the pages lie in a map that lives and that has no slices; that a file may change at any moment is known of it.
        unsafe { remove(self.perms(), self.extent(), range) }
    }
}

impl<P: Permissions> Map<P, Private, Anonymous> {
    /// Lets the kernel free the pages of a range when memory runs short: they hold their bytes or zeros until they are written
    /// again. `madvise` with `MADV_FREE`.
    ///
    /// Since the bytes can change at any moment from now on, there are no slices any more.
    ///
    /// # Errors
    ///
    /// The map comes back, and nothing of it is freed.
    ///
    /// `EINVAL`: the range does not lie in the map, or not on whole pages; the pages are locked; the kernel may hold the map as
    /// several mappings, since parts of it were locked, advised or joined.
    ///
    /// # References
    ///
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    pub fn free(
        self,
        range: impl RangeBounds<usize>,
    ) -> Result<Map<P, Private, Exposed>, Error<Self>> {
        let extent = self.region().extent();
        let freed = whole_pages(extent, range, Ends::OfMap).and_then(|range| {
            // Of several mappings some could be freed before one refuses.
            if !self.region().is_whole() {
                let figures = [range.len(), extent.as_ptr().addr() + range.start];
                return Err(Cause::refused(
                    Operation::Madvise,
                    Reason::InPieces,
                    figures,
                ));
            }
            // SAFETY: the pages lie in this map, which came by value; from now on it has no slices, if that succeeds.
            unsafe { call(extent, range, Advice::FREE) }
        });
        match freed {
            Ok(()) => Ok(self.expose()),
            Err(cause) => Err(Error::with_map(cause, self)),
        }
    }
}

/// What a range of pages may start and end at besides pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// The start and the end of the map, whose pages hold nothing else.
    OfMap,
    /// Nothing.
    OfPages,
}

/// The bytes that a range names, if they are whole pages.
fn whole_pages(
    extent: Extent,
    range: impl RangeBounds<usize>,
    ends: Ends,
) -> Result<Range<usize>, Cause> {
    let range = resolve(range, extent.len())
        .map_err(|figures| Cause::refused(Operation::View, Reason::OutOfRange, figures))?;
    if extent.page_size() != mmarinus_sys::page_size() {
        let figures = [range.len(), extent.as_ptr().addr() + range.start];
        return Err(Cause::refused(
            Operation::Madvise,
            Reason::HugeKept,
            figures,
        ));
    }
    let whole = |offset: usize, end: usize| {
        let address = extent.as_ptr().addr() + offset;
        address & (extent.page_size() - 1) == 0 || ends == Ends::OfMap && offset == end
    };
    if range.is_empty() || whole(range.start, 0) && whole(range.end, extent.len()) {
        return Ok(range);
    }
    let figures = [range.len(), extent.as_ptr().addr() + range.start];
    Err(Cause::refused(
        Operation::Madvise,
        Reason::NotWholePages,
        figures,
    ))
}

/// Zeroes pages of memory of no file.
///
/// # Safety
///
/// The pages around the range lie in a map of kind `K` that lives, and nobody borrows their bytes but as atomics.
unsafe fn discard<P: Permissions, K: Kind, B: Discardable<K>>(
    perms: P,
    extent: Extent,
    range: Range<usize>,
) -> Result<(), Error> {
    if !(B::ANONYMOUS || extent.is_anonymous()) {
        let figures = [range.len(), extent.as_ptr().addr() + range.start];
        return Err(Cause::refused(Operation::Madvise, Reason::NotAnonymous, figures).into());
    }
    if K::SHARED {
        // SAFETY: the caller's contract.
        unsafe { remove(perms, extent, range) }
    } else {
        // SAFETY: the caller's contract.
        unsafe { drop_pages(extent, range) }
    }
}

/// Takes pages of a shared map out of what it shows, which is to write them: the kernel asks only whether the map could be
/// made writable.
///
/// # Safety
///
/// The pages around the range lie in a shared map that lives, and nobody borrows their bytes but as atomics.
unsafe fn remove<P: Permissions>(
    perms: P,
    extent: Extent,
    range: Range<usize>,
) -> Result<(), Error> {
    if !perms.flags().contains(ProtFlags::WRITE) {
        let figures = [range.len(), extent.as_ptr().addr() + range.start];
        return Err(Cause::refused(Operation::Madvise, Reason::Forbidden, figures).into());
    }
    // SAFETY: the caller's contract.
    unsafe { advise(extent, range, Advice::REMOVE) }
}

/// Drops pages of a private map, locked ones too where the kernel can do that (Linux 5.18).
///
/// # Safety
///
/// The pages around the range lie in a private map that lives, and nobody borrows their bytes but as atomics.
unsafe fn drop_pages(extent: Extent, range: Range<usize>) -> Result<(), Error> {
    // SAFETY: the caller's contract.
    match unsafe { call(extent, range.clone(), Advice::DONTNEED) } {
        // SAFETY: as above.
        Err(_) => unsafe { advise(extent, range, Advice::DONTNEED_LOCKED) },
        Ok(()) => Ok(()),
    }
}

/// Gives advice that changes bytes.
///
/// # Safety
///
/// The pages around the range lie in a map that lives, whose bytes may change as the advice changes them.
unsafe fn advise(extent: Extent, range: Range<usize>, advice: Advice) -> Result<(), Error> {
    // SAFETY: the caller's contract.
    unsafe { call(extent, range, advice) }.map_err(Error::from)
}

/// Makes the call.
///
/// # Safety
///
/// As for [`advise`].
unsafe fn call(extent: Extent, range: Range<usize>, advice: Advice) -> Result<(), Cause> {
    if range.is_empty() {
        return Ok(());
    }
    let mask = extent.page_size() - 1;
    let address = extent.as_ptr().addr();
    let start = (address + range.start) & !mask;
    let end = (address + range.end + mask) & !mask;
    let figures = [end - start, start];
    let start = extent.as_ptr().with_addr(start).cast();
    // SAFETY: the caller's contract; the pages are those around the range.
    unsafe { mmarinus_sys::madvise(start, figures[0], advice) }
        .map_err(|errno| Cause::kernel(Operation::Madvise, errno, figures))
}
