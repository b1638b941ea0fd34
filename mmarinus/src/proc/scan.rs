//! The pages of a range that are of some kind, batch by batch: `PAGEMAP_SCAN` without allocation.

use mmarinus_sys::{Errno, PageRegion, PagemapScan, pagemap_scan};
use rustix::fd::BorrowedFd;

use core::ops::Range;

/// How many regions one call returns at most.
const BATCH: usize = 32;

/// A scan of whole pages, of which some were fetched and the rest is to come.
#[derive(Debug)]
pub(crate) struct Batches {
    /// The pages that were not scanned yet.
    rest: Range<u64>,
    what: PagemapScan,
    regions: [PageRegion; BATCH],
    /// The regions that were fetched and not taken out.
    fetched: Range<usize>,
}

impl Batches {
    /// A scan for this of these addresses, which start at a page.
    pub(crate) fn new(what: PagemapScan, pages: Range<u64>) -> Self {
        Self {
            rest: pages,
            what,
            regions: [PageRegion::default(); BATCH],
            fetched: 0..0,
        }
    }

    /// Fetches regions, and says whether there are any to take out.
    pub(crate) fn fetch(&mut self, pagemap: BorrowedFd<'_>) -> Result<bool, Errno> {
        while self.fetched.is_empty() && !self.rest.is_empty() {
            let scanned = pagemap_scan(pagemap, self.rest.clone(), &self.what, &mut self.regions);
            let scanned = match scanned {
                Err(Errno::INTR) => continue,
                scanned => scanned?,
            };
            if scanned.walk_end <= self.rest.start {
                return Err(Errno::IO);
            }
            self.rest.start = scanned.walk_end;
            self.fetched = 0..scanned.regions;
        }
        Ok(!self.fetched.is_empty())
    }

    /// Takes out a region that was fetched.
    pub(crate) fn pop(&mut self) -> Option<PageRegion> {
        let index = self.fetched.next()?;
        self.regions.get(index).copied()
    }

    /// Scans no further.
    pub(crate) fn stop(&mut self) {
        self.rest.start = self.rest.end;
    }
}
