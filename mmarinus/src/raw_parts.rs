//! Ways out of the types and back in: a map as pointer, length and page size.
#![expect(unsafe_code, reason = "makes a map of pages that somebody else mapped")]

use core::ptr::NonNull;

use crate::backing::Backing;
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;
use crate::region::Region;

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Takes the map apart into the pointer to its first byte, its length in bytes, and its page size in bytes. It stays mapped.
    ///
    /// [`from_raw_parts`](Self::from_raw_parts) puts it together again. The guards of a [`guarded`](crate::Builder::guarded) map
    /// stay mapped, and from then on they are nobody's: an ordinary page right before and one right behind its pages.
    #[inline]
    #[must_use = "pages that nobody owns stay mapped"]
    pub fn into_raw_parts(self) -> (*mut u8, usize, usize) {
        let parts = (self.as_mut_ptr(), self.len(), self.page_size());
        let (_, region) = self.into_region();
        core::mem::forget(region);
        parts
    }

    /// Makes a map of pages that are mapped already.
    ///
    /// It is not known to be one mapping for the kernel; so it is not moved, taken from or duplicated (`EFAULT`).
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let map = Map::bytes(100).anywhere().anonymously().with(perms::ReadWrite)?;
    /// let (ptr, len, page_size) = map.into_raw_parts();
    /// // SAFETY: the parts are those of the map above, which was taken apart.
    /// let map: Map<perms::ReadWrite> = unsafe { Map::from_raw_parts(ptr, len, page_size, perms::ReadWrite) };
    /// assert_eq!(map.len(), 100);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Safety
    ///
    /// - `ptr` is not null, and `page_size` is the size in bytes of the pages there, a power of two.
    /// - If `len` is not 0: the whole pages around the `len` bytes at `ptr` are mapped, are at most `isize::MAX` bytes, and
    ///   nobody else owns them or borrows from them.
    /// - Atomics that were made of them before, and are still used, have one size, and no others are made of this map.
    /// - They have the permissions `perms` and are of kind `K`, and what stands behind them is `B`, with all that the traits of
    ///   [`backing`](crate::backing) say of the pair.
    #[inline]
    pub unsafe fn from_raw_parts(ptr: *mut u8, len: usize, page_size: usize, perms: P) -> Self {
        let page_shift = page_size.trailing_zeros() as u8;
        // SAFETY: the caller promises that the pointer is not null.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        // SAFETY: the caller promises what a region needs.
        let region = unsafe { Region::from_raw(ptr, len, page_shift) };
        // SAFETY: the caller promises permissions, kind and backing.
        unsafe { Self::from_region(perms, region) }
    }
}
