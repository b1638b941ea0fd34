//! One object mapped twice, back to back: a region whose second half shows the pages of the first.

use mmarinus_sys::{Errno, MapFlags, ProtFlags};

use super::moves::as_one;
use super::{Behind, Region};
use crate::layout::Layout;

impl Region {
    /// Maps the whole pages of `half` for reading and writing, shared, and the same pages once more right behind.
    ///
    /// Both are mapped elsewhere and moved over a reservation of twice the length, so that nobody else is in the way. The layout
    /// has no head, and its size is a whole number of pages.
    pub(crate) fn mirrored(half: Layout, behind: Behind<'_>) -> Result<Self, Errno> {
        debug_assert!(half.head() == 0 && half.size() == half.len());
        let len = half.len();
        let twice = len.checked_mul(2).ok_or(Errno::NOMEM)?;
        let whole = Layout::new(0, twice, half.page_shift()).ok_or(Errno::NOMEM)?;
        let nothing = MapFlags::PRIVATE.union(MapFlags::NORESERVE);
        let place = Self::map(whole, 0, ProtFlags::empty(), nothing, None)?;
        let (first, second) = place.split(len).map_err(|_| Errno::INVAL)?;
        let both = ProtFlags::READ.union(ProtFlags::WRITE);
        let pages = Self::map(half, 0, both, MapFlags::SHARED, behind)?;
        let first = Self::replace(first, pages)?;
        let again = first.duplicate()?;
        let second = Self::replace(second, again)?;
        first.join(second).map_err(|_| Errno::INVAL)
    }

    /// The first byte, as a pointer under which the compiler has to expect any bytes: what was written to one half has changed
    /// the other, which it cannot know.
    #[inline]
    pub(crate) fn seen_anew(&self) -> *mut u8 {
        as_one(self.ptr).as_ptr()
    }
}
