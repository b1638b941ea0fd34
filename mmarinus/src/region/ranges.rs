//! Calls on part of a region: advice, locks, writing back. They round outward to whole pages, and never leave the region.
#![expect(unsafe_code, reason = "makes system calls on mapped pages")]

use core::ffi::c_void;
use core::ops::Range;

use mmarinus_sys::{
    self as sys, Advice, Errno, MbindFlags, MlockFlags, Mpol, MpolModeFlags, MsyncFlags, NodeMask,
};

use super::Region;
use crate::name::Name;

impl Region {
    /// The whole pages around bytes of the region. The range lies in the region.
    ///
    /// Since a range in the region ends at its last byte at the latest, its pages are the region's.
    pub(crate) fn around(&self, range: Range<usize>) -> (*mut c_void, usize) {
        debug_assert!(range.start <= range.end && range.end <= self.len);
        if range.is_empty() {
            return (self.as_ptr().cast(), 0);
        }
        let mask = self.page_size() - 1;
        let address = self.as_ptr().addr();
        let start = (address + range.start) & !mask;
        let end = (address + range.end + mask) & !mask;
        (self.as_ptr().with_addr(start).cast(), end - start)
    }

    /// Remembers that the kernel may split the mapping around pages, if they are not all pages.
    fn cut_around(&self, pages: (*mut c_void, usize)) {
        if pages != self.raw_pages() {
            self.in_pieces();
        }
    }

    /// The pages that advice about a range is for, which the region then remembers. The range lies in the region.
    pub(crate) fn pages_for(&self, range: Range<usize>, advice: Advice) -> (*mut c_void, usize) {
        let pages = self.around(range);
        if pages.1 != 0 && marks(advice) {
            self.cut_around(pages);
        }
        pages
    }

    /// Gives advice about the pages around a range.
    ///
    /// # Safety
    ///
    /// The advice changes no byte and takes no page away.
    pub(crate) unsafe fn advise(&self, range: Range<usize>, advice: Advice) -> Result<(), Errno> {
        let (start, len) = self.pages_for(range, advice);
        if len == 0 {
            return Ok(());
        }
        loop {
            // SAFETY: the pages are owned (invariant), and the caller vouches for the advice.
            match unsafe { sys::madvise(start, len, advice) } {
                // A signal came while pages were brought in.
                Err(Errno::INTR) => {}
                done => return done,
            }
        }
    }

    /// Keeps the pages around a range in memory.
    pub(crate) fn lock(&self, range: Range<usize>, flags: MlockFlags) -> Result<(), Errno> {
        let (start, len) = self.around(range);
        if len == 0 {
            return Ok(());
        }
        self.cut_around((start, len));
        self.properties.set_locked();
        // SAFETY: the pages are owned (invariant), and locking changes no byte.
        unsafe { sys::mlock2(start, len, flags) }
    }

    /// Keeps the pages around a range no longer.
    pub(crate) fn unlock(&self, range: Range<usize>) -> Result<(), Errno> {
        let (start, len) = self.around(range);
        if len == 0 {
            return Ok(());
        }
        self.cut_around((start, len));
        // SAFETY: the pages are owned (invariant), and unlocking changes no byte.
        unsafe { sys::munlock(start, len) }
    }

    /// Writes the pages around a range back to their file.
    pub(crate) fn sync(&self, range: Range<usize>, flags: MsyncFlags) -> Result<(), Errno> {
        let (start, len) = self.around(range);
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the pages are owned (invariant), and writing them back changes no byte of the map.
        unsafe { sys::msync(start, len, flags) }
    }

    /// Names the pages, or takes their name away. They stay as many mappings as they were, or become one.
    pub(crate) fn name(&self, name: &Name) -> Result<(), Errno> {
        let (start, len) = self.raw_owned();
        if len == 0 {
            return Ok(());
        }
        sys::set_vma_anon_name(start, len, name.as_c_str())
    }

    /// Sets the memory policy of the pages around a range. Pages of a pool are there already.
    pub(crate) fn set_policy(
        &self,
        range: Range<usize>,
        (mode, mode_flags, nodes): (Mpol, MpolModeFlags, &NodeMask),
        existing: MbindFlags,
    ) -> Result<(), Errno> {
        let (start, len) = self.around(range);
        if len == 0 {
            return Ok(());
        }
        self.cut_around((start, len));
        // SAFETY:
        // - The pages are owned (invariant).
        // - Huge pages that could not be had any more are there already, by the caller.
        unsafe { sys::mbind(start, len, mode, mode_flags, nodes, existing) }
    }

    /// Sets the node that the policy of the pages around a range starts from.
    pub(crate) fn set_home_node(&self, range: Range<usize>, node: usize) -> Result<(), Errno> {
        let (start, len) = self.around(range);
        if len == 0 {
            return Ok(());
        }
        self.cut_around((start, len));
        sys::set_mempolicy_home_node(start, len, node)
    }

    /// Seals the pages: nobody unmaps, moves or reprotects them again.
    pub(crate) fn seal(&self) -> Result<(), Errno> {
        let (start, len) = self.raw_pages();
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the pages are owned (invariant), and the owner is never dropped.
        unsafe { sys::mseal(start, len) }?;
        if self.is_guarded() {
            self.seal_guards();
        }
        Ok(())
    }
}

/// Whether an advice marks the mapping, so that the kernel splits it around a range; others only act on pages.
fn marks(advice: Advice) -> bool {
    !matches!(
        advice,
        Advice::WILLNEED
            | Advice::COLD
            | Advice::PAGEOUT
            | Advice::COLLAPSE
            | Advice::POPULATE_READ
            | Advice::POPULATE_WRITE
    )
}
