//! Looking at the pages of a map one by one: which are there, swapped, huge, of a file, guards.

use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ops::{Range, RangeBounds};

use mmarinus_sys::{Errno, PageRegion, PagemapScan, Support};
use rustix::fd::{AsFd, OwnedFd};

use crate::backing::Backing;
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;
use crate::proc::{self, Batches};

pub use mmarinus_sys::PageCategories;

/// Pages of a map side by side that are of the same kind: what [`Map::scan`] returns, as ranges of bytes.
///
/// It borrows the map. A failure ends it.
#[derive(Debug)]
#[must_use = "a scan is an iterator"]
pub struct Scan<'map> {
    /// `None` for an empty map.
    pagemap: Option<OwnedFd>,
    bytes: Bytes,
    batches: Batches,
    map: PhantomData<&'map ()>,
}

/// Where the bytes of a map are, for addresses of pages to become offsets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes {
    pub(crate) address: usize,
    pub(crate) len: usize,
}

impl Bytes {
    /// The bytes of the map that lie in pages.
    pub(crate) fn in_pages(self, region: &PageRegion) -> Range<usize> {
        let offset = |address: u64| {
            let offset = address.saturating_sub(self.address as u64);
            usize::try_from(offset).map_or(self.len, |offset| offset.min(self.len))
        };
        offset(region.start)..offset(region.end)
    }

    /// The addresses of the whole pages around some of the bytes.
    pub(crate) fn pages(self, range: &Range<usize>, page_size: usize) -> Range<u64> {
        if range.is_empty() {
            return 0..0;
        }
        let mask = page_size - 1;
        let start = (self.address + range.start) & !mask;
        let end = (self.address + range.end + mask) & !mask;
        start as u64..end as u64
    }
}

impl Scan<'_> {
    fn failed(&mut self, errno: Errno) -> Error {
        self.batches.stop();
        let figures = [self.bytes.len, self.bytes.address];
        match errno {
            Errno::NOTTY => Cause::refused(Operation::Scan, Reason::NoScan, figures),
            errno => Cause::kernel(Operation::Scan, errno, figures),
        }
        .into()
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Range<usize>, PageCategories), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(region) = self.batches.pop() {
                let mut is = region.categories;
                if !is.contains(PageCategories::WPALLOWED) {
                    // Where nobody tracks writes it says nothing.
                    is.remove(PageCategories::WRITTEN);
                }
                return Some(Ok((self.bytes.in_pages(&region), is)));
            }
            let pagemap = self.pagemap.as_ref()?.as_fd();
            match self.batches.fetch(pagemap) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(errno) => return Some(Err(self.failed(errno))),
            }
        }
    }
}

impl FusedIterator for Scan<'_> {}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Finds the pages of a range that are of one of these kinds, or all pages if none is named: `ioctl(PAGEMAP_SCAN)` on
    /// `/proc/thread-self/pagemap`, since Linux 6.7.
    ///
    /// Each item is a range of bytes of the map, and all that is known of its pages; pages side by side of which the same is
    /// known are one item. The range rounds outward to whole pages, inside the map. Nothing is allocated, and nothing changes;
    /// others may change the pages meanwhile.
    ///
    /// [`PageCategories::WRITTEN`] is told of maps whose writes are [tracked](crate::Tracked) alone. Asking for it alone finds
    /// what [`take_dirty`](crate::Tracked::take_dirty) would take, without taking it.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::scan::PageCategories;
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// let mut map = Map::bytes(1 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map[5000] = 1;
    /// match map.scan(.., PageCategories::PRESENT) {
    ///     Ok(pages) => {
    ///         for pages in pages {
    ///             let (bytes, is) = pages?;
    ///             println!("{bytes:?}: {is:?}"); // 4096..8192: ...
    ///         }
    ///     }
    ///     Err(error) => assert_eq!(error.errno(), Errno::OPNOTSUPP), // An older kernel.
    /// }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Of the call, and of each item; after an error no more items come.
    ///
    /// - `EINVAL`: the range does not lie in the map, or a kind is not known to the kernel.
    /// - `EOPNOTSUPP`: the kernel is older than Linux 6.7; or guards are asked for, and it is older than 6.15.
    /// - `ENOENT`: no `/proc` is mounted.
    /// - `EACCES`: the process may not be looked into (`PR_SET_DUMPABLE`, a security module).
    /// - `EMFILE`, `ENFILE`: too many open files.
    ///
    /// # References
    ///
    /// [PAGEMAP_SCAN(2const)](https://man7.org/linux/man-pages/man2/PAGEMAP_SCAN.2const.html)
    pub fn scan(
        &self,
        range: impl RangeBounds<usize>,
        kinds: PageCategories,
    ) -> Result<Scan<'_>, Error> {
        let range = self.bytes_of(range)?;
        let bytes = Bytes {
            address: self.addr(),
            len: self.len(),
        };
        let figures = [range.len(), bytes.address + range.start];
        let refused = |reason| Cause::refused(Operation::Scan, reason, figures);
        let knows_guards = Support::file_guard_regions();
        if kinds.contains(PageCategories::GUARD) && !knows_guards {
            return Err(refused(Reason::GuardsUnseen).into());
        }
        let mut returned = PageCategories::WPALLOWED
            | PageCategories::WRITTEN
            | PageCategories::FILE
            | PageCategories::PRESENT
            | PageCategories::SWAPPED
            | PageCategories::PFNZERO
            | PageCategories::HUGE
            | PageCategories::SOFT_DIRTY;
        returned.set(PageCategories::GUARD, knows_guards);
        let mut what = PagemapScan {
            anyof: kinds,
            returned,
            ..PagemapScan::default()
        };
        if kinds == PageCategories::WRITTEN {
            what.mask = PageCategories::WPALLOWED;
        }
        let pages = bytes.pages(&range, self.page_size());
        let mut scan = Scan {
            pagemap: None,
            bytes,
            batches: Batches::new(what, pages),
            map: PhantomData,
        };
        if range.is_empty() {
            return Ok(scan);
        }
        let pagemap = proc::open(proc::PAGEMAP)
            .map_err(|errno| Cause::kernel(Operation::Scan, errno, figures))?;
        // The first look tells whether the kernel can do it at all.
        if let Err(errno) = scan.batches.fetch(pagemap.as_fd()) {
            return Err(scan.failed(errno));
        }
        scan.pagemap = Some(pagemap);
        Ok(scan)
    }
}
