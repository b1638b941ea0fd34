//! The pages of a range, counted by what they are: by `PAGEMAP_SCAN` where the kernel has it, else entry by entry.

use core::ops::Range;
use core::ptr;

use mmarinus_sys::{
    Errno, PageCategories, PageRegion, PagemapEntry, PagemapScan, Support, page_size, pagemap_read,
    pagemap_scan,
};
use rustix::fd::{AsFd, OwnedFd};

use super::{PAGEMAP, open};

/// What the pages are that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Surely private memory of no file: a page of a file can only be the huge page of zeros.
    PrivateOfNoFile,
    /// Anything else.
    OfAnything,
}

/// How many bytes of pages there are of each sort; `None` where it cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The page tables have them.
    pub(crate) resident: usize,
    /// Of those, by one entry for a huge page.
    pub(crate) huge: Option<usize>,
    /// Of those, the page of zeros that all share.
    pub(crate) zero: Option<usize>,
    /// Of those, neither a file's or shared memory's, nor the page of zeros.
    pub(crate) own: Option<usize>,
    /// Not in the page tables, but in swap space.
    pub(crate) swapped: Option<usize>,
    pub(crate) guard: Option<usize>,
}

impl Counts {
    /// Those of no pages.
    pub(crate) const NONE: Self = Self {
        resident: 0,
        huge: Some(0),
        zero: Some(0),
        own: Some(0),
        swapped: Some(0),
        guard: Some(0),
    };
}

/// Counts whole pages.
pub(crate) fn count(range: Range<u64>, pages: Pages) -> Result<Counts, Errno> {
    let pagemap = open(PAGEMAP)?;
    let mut counter = Counter {
        pagemap,
        pages,
        knows_guards: Support::file_guard_regions(),
        counts: Counts::NONE,
    };
    if Support::pagemap_scan() {
        counter.scan(range)?;
    } else {
        counter.counts.huge = None;
        counter.read(range, None)?;
    }
    Ok(counter.counts)
}

/// The counts so far.
struct Counter {
    pagemap: OwnedFd,
    pages: Pages,
    /// Whether the kernel says which pages are guards.
    knows_guards: bool,
    counts: Counts,
}

/// Adds to a sum that may be unknown.
fn add(sum: &mut Option<usize>, bytes: usize) {
    *sum = sum.map(|sum| sum + bytes);
}

impl Counter {
    /// Counts by `PAGEMAP_SCAN`, and looks closer where that leaves a question.
    fn scan(&mut self, range: Range<u64>) -> Result<(), Errno> {
        let wanted = PageCategories::PRESENT | PageCategories::SWAPPED;
        let mut returned =
            wanted | PageCategories::HUGE | PageCategories::PFNZERO | PageCategories::FILE;
        returned.set(PageCategories::GUARD, self.knows_guards);
        let scan = PagemapScan {
            anyof: wanted,
            returned,
            ..PagemapScan::default()
        };
        let mut regions = [PageRegion::default(); 64];
        let mut start = range.start;
        while start < range.end {
            let scanned = pagemap_scan(self.pagemap.as_fd(), start..range.end, &scan, &mut regions);
            let scanned = match scanned {
                Err(Errno::INTR) => continue,
                scanned => scanned?,
            };
            for region in &regions[..scanned.regions] {
                self.add_region(region)?;
            }
            if scanned.walk_end <= start {
                return Err(Errno::IO);
            }
            start = scanned.walk_end;
        }
        Ok(())
    }

    /// Counts pages that a scan says the same of.
    fn add_region(&mut self, region: &PageRegion) -> Result<(), Errno> {
        let is = |category| region.categories.contains(category);
        let bytes = region.end.saturating_sub(region.start) as usize;
        let pages = region.start..region.end;
        if is(PageCategories::PRESENT) {
            self.counts.resident += bytes;
            if is(PageCategories::HUGE) {
                add(&mut self.counts.huge, bytes);
            }
            if is(PageCategories::PFNZERO) {
                add(&mut self.counts.zero, bytes);
            } else if !is(PageCategories::FILE) {
                // The huge page of zeros is not always told from others, nor are pages of devices, which belong to no file.
                if is(PageCategories::HUGE) || self.pages == Pages::OfAnything {
                    return self.read(pages, Some(region.categories));
                }
                add(&mut self.counts.own, bytes);
            }
        } else if is(PageCategories::GUARD) {
            add(&mut self.counts.guard, bytes);
        } else if is(PageCategories::SWAPPED) {
            return self.read(pages, Some(region.categories));
        }
        Ok(())
    }

    /// Counts entry by entry, what a scan said of the pages being known.
    fn read(&mut self, range: Range<u64>, scanned: Option<PageCategories>) -> Result<(), Errno> {
        let page = page_size();
        let mut entries = [PagemapEntry::empty(); 128];
        let mut start = range.start;
        while start < range.end {
            let left = (range.end - start).div_ceil(page as u64);
            let room = usize::try_from(left).map_or(entries.len(), |left| left.min(entries.len()));
            let address = ptr::without_provenance(start as usize);
            let read = match pagemap_read(&self.pagemap, address, &mut entries[..room]) {
                Err(Errno::INTR) => continue,
                Ok(0) => return Err(Errno::IO),
                read => read?,
            };
            for &entry in &entries[..read] {
                self.add_entry(entry, scanned);
            }
            start += (read * page) as u64;
        }
        Ok(())
    }

    /// Counts one page.
    fn add_entry(&mut self, entry: PagemapEntry, scanned: Option<PageCategories>) {
        let page = page_size();
        let is = |flag| entry.contains(flag);
        let counts = &mut self.counts;
        let of_no_file = self.pages == Pages::PrivateOfNoFile;
        if is(PagemapEntry::PRESENT) {
            if scanned.is_none() {
                counts.resident += page;
            }
            match (
                scanned.is_some(),
                is(PagemapEntry::FILE),
                is(PagemapEntry::MMAP_EXCLUSIVE),
            ) {
                // Page tables, unlike a scan, say that the huge page of zeros is one of a file.
                (true, true, _) => add(&mut counts.zero, page),
                (false, true, _) if of_no_file => add(&mut counts.zero, page),
                (false, true, _) => {}
                (_, false, true) => add(&mut counts.own, page),
                // Not the page of zeros, so a copy that a forked child has as well.
                (true, false, false) if of_no_file => add(&mut counts.own, page),
                // A copy that others have as well, or a page of a device.
                (true, false, false) => counts.own = None,
                // As above, or the page of zeros.
                (false, false, false) => (counts.own, counts.zero) = (None, None),
            }
        } else if is(PagemapEntry::GUARD_REGION) {
            add(&mut counts.guard, page);
        } else if is(PagemapEntry::SWAP) {
            let may_be_guard = !self.knows_guards && Support::guard_regions();
            if may_be_guard {
                counts.guard = None;
            }
            // The mark of a userfaultfd stands where no page is, or beside the place of a page in swap space.
            if may_be_guard || is(PagemapEntry::UFFD_WP) {
                counts.swapped = None;
            } else {
                add(&mut counts.swapped, page);
            }
        }
    }
}
