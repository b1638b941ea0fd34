//! Moving pages out of a map and leaving empty ones: `mem::take` for pages.
#![expect(unsafe_code, reason = "says what the pages that were moved are")]

use core::ops::{Range, RangeBounds};

use crate::backing::Resizable;
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Private;
use crate::map::Map;
use crate::perms::Permissions;
use crate::range::resolve;
use crate::region::Region;

impl<P: Permissions, B: Resizable<Private>> Map<P, Private, B> {
    /// Moves all pages out into a map of their own, and leaves empty ones: `mremap` with `MREMAP_DONTUNMAP`. Nothing is copied.
    ///
    /// Anonymous memory is zeroed afterwards; a private map of a file shows the file again. Neither map is locked afterwards.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let mut map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map[0] = 7;
    /// let taken = map.take_pages()?;
    /// assert_eq!((map[0], taken[0]), (0, 7));
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The map stays as it was; but if its pages were locked, they may be no longer.
    ///
    /// - `EFAULT`: the kernel holds the map as several mappings, since parts of it were locked, advised or joined.
    /// - `EINVAL`: the pages are huge; or, before Linux 5.13, of files.
    /// - `ENOMEM`: no room, or `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html)
    pub fn take_pages(&mut self) -> Result<Self, Error> {
        let all = 0..self.len();
        self.take(all)
    }

    /// Moves some of the pages out into a map of their own, and leaves empty ones, as [`take_pages`](Self::take_pages).
    ///
    /// The range starts and ends where pages do, or where the map does.
    ///
    /// # Errors
    ///
    /// As for [`take_pages`](Self::take_pages); `EINVAL` also if the range does not lie in the map, or not on whole pages.
    pub fn take_pages_at(&mut self, range: impl RangeBounds<usize>) -> Result<Self, Error> {
        let refused = |reason, figures| Cause::refused(Operation::Take, reason, figures);
        let range = resolve(range, self.len())
            .map_err(|figures| Cause::refused(Operation::View, Reason::OutOfRange, figures))?;
        let on_page = |offset: usize| (self.addr() + offset).is_multiple_of(self.page_size());
        let starts = range.start == 0 || on_page(range.start);
        let ends = range.end == self.len() || on_page(range.end);
        let whole_pages = starts && ends;
        if !whole_pages && !range.is_empty() {
            return Err(refused(
                Reason::NotWholePages,
                [range.len(), self.addr() + range.start],
            )
            .into());
        }
        self.take(range)
    }

    /// Takes pages: all that the range touches.
    fn take(&mut self, range: Range<usize>) -> Result<Self, Error> {
        let perms = self.perms();
        if self.region().is_huge() && !range.is_empty() {
            let figures = [range.len(), self.addr() + range.start];
            return Err(Cause::refused(Operation::Take, Reason::HugeTwice, figures).into());
        }
        let figures = [range.len(), self.addr() + range.start];
        let region = if range.is_empty() {
            Region::empty(self.region().page_shift())
        } else {
            self.region_mut()
                .take(range)
                .map_err(|errno| Cause::kernel(Operation::Take, errno, figures))?
        };
        // SAFETY: these pages were this map's, with its permissions; they are private, so that nothing is left of them there.
        Ok(unsafe { Self::from_region(perms, region) })
    }
}
