//! How much of a file is in the page cache: `cachestat`.

use core::ops::{Bound, RangeBounds};

use mmarinus_sys::{cachestat, page_size};

use crate::backing::File;
use crate::error::{Cause, Error, Operation, Reason};
use crate::source::Source;

/// How much of a file is in the page cache, and in which state, in bytes of whole pages: what [`Source::page_cache`] returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PageCache {
    /// In the cache.
    pub cached: u64,
    /// Changed, and not yet written back.
    pub dirty: u64,
    /// Being written back.
    pub writeback: u64,
    /// Was in the cache and is no more.
    pub evicted: u64,
    /// Left the cache so recently that memory is short.
    pub recently_evicted: u64,
}

impl Source<'_, File> {
    /// Counts how much of a range of the file is in the page cache: `cachestat` (since Linux 6.5).
    ///
    /// The range is in bytes of the file. It may reach past the end, where nothing is; pages that it only touches count whole.
    ///
    /// It is asked of a source and not of a map, since a map holds no descriptor, which the kernel wants.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use mmarinus::{Errno, Source};
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(&[1; 100])?;
    /// match Source::of(&file)?.page_cache(..) {
    ///     Ok(cache) => assert!(cache.cached > 0),
    ///     Err(error) => assert_eq!(error.errno(), Errno::NOSYS), // before Linux 6.5
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range ends before it starts.
    /// - `ENOSYS`: the kernel is older than 6.5.
    /// - `EPERM`: the process neither owns the file nor may write it.
    ///
    /// # References
    ///
    /// [cachestat(2)](https://man7.org/linux/man-pages/man2/cachestat.2.html)
    #[doc(alias = "cachestat")]
    pub fn page_cache(&self, range: impl RangeBounds<u64>) -> Result<PageCache, Error> {
        let start = match range.start_bound() {
            Bound::Included(&start) => Some(start),
            Bound::Excluded(&start) => start.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        // What ends past all numbers ends with the file.
        let end = match range.end_bound() {
            Bound::Included(&end) => end.checked_add(1),
            Bound::Excluded(&end) => Some(end),
            Bound::Unbounded => None,
        };
        let (start, len) = match (start, end) {
            (Some(start), None) => (start, 0),
            (Some(start), Some(end)) if start < end => (start, end - start),
            (Some(start), Some(end)) if start == end => return Ok(PageCache::default()),
            (start, end) => {
                let figures = [start, end].map(|at| at.map_or(usize::MAX, |at| at as usize));
                let cause = Cause::refused(Operation::PageCache, Reason::Reversed, figures);
                return Err(cause.into());
            }
        };
        let (Some(fd), _) = self.parts() else {
            return Ok(PageCache::default()); // Memory of no file is in no cache.
        };
        let stat = cachestat(fd, start, len).map_err(|errno| {
            Cause::kernel(
                Operation::PageCache,
                errno,
                [start as usize, (start + len) as usize],
            )
        })?;
        let bytes = |pages: u64| pages.saturating_mul(page_size() as u64);
        Ok(PageCache {
            cached: bytes(stat.nr_cache),
            dirty: bytes(stat.nr_dirty),
            writeback: bytes(stat.nr_writeback),
            evicted: bytes(stat.nr_evicted),
            recently_evicted: bytes(stat.nr_recently_evicted),
        })
    }
}
