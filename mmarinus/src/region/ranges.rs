//! Calls on part of a region: advice, locks, writing back. They round outward to whole pages, and never leave the region.
#![expect(unsafe_code, reason = "makes system calls on mapped pages")]

use core::ffi::c_void;
use core::ops::Range;

use mmarinus_sys::{
    self as sys, Advice, Errno, MbindFlags, MlockFlags, Mpol, MpolModeFlags, MsyncFlags, NodeMask,
};

use super::{Properties, Region};
use crate::layout::page_shift;
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

    /// What the system calls take for the whole pages around bytes of the region, and whether those are all its pages; if it is
    /// plain, and there are bytes. The range lies in the region.
    ///
    /// The length is that of the bytes up to their end: the system calls round it up.
    #[inline(always)]
    fn plain_around(&self, range: &Range<usize>) -> Option<(*mut c_void, usize, bool)> {
        debug_assert!(range.start <= range.end && range.end <= self.len);
        let (first, len) = self.plain()?;
        // Where the compiler sees that all bytes are meant, that is all it has to see.
        if range.start == 0 && range.end == self.len {
            return Some((first, len, true));
        }
        if range.is_empty() {
            return None;
        }
        let mask = (1 << page_shift()) - 1;
        let start = range.start & !mask;
        let is_all = start == 0 && range.end > (len - 1) & !mask;
        Some((first.wrapping_byte_add(start), range.end - start, is_all))
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
        self.remember_merging(advice, pages == self.raw_pages());
        pages
    }

    /// Remembers whether pages are to be merged, if the advice is about that, and whether it is for all pages.
    #[inline]
    fn remember_merging(&self, advice: Advice, is_all: bool) {
        if advice == Advice::MERGEABLE {
            self.properties.set_mergeable(true);
        } else if advice == Advice::UNMERGEABLE && is_all {
            self.properties.set_mergeable(false);
        }
    }

    /// Gives advice about the pages around a range.
    ///
    /// # Safety
    ///
    /// The advice changes no byte and takes no page away.
    #[inline]
    pub(crate) unsafe fn advise(&self, range: Range<usize>, advice: Advice) -> Result<(), Errno> {
        let mut failed = None;
        if let Some((start, len, is_all)) = self.plain_around(&range) {
            if marks(advice) && !is_all {
                self.in_pieces();
            }
            self.remember_merging(advice, is_all);
            // SAFETY: the pages are owned (invariant), and the caller vouches for the advice.
            match unsafe { sys::madvise(start, len, advice) } {
                Ok(()) => return Ok(()),
                Err(errno) => failed = Some(errno),
            }
        }
        // SAFETY: the caller vouches for the advice.
        unsafe { self.advise_any(range, advice, failed) }
    }

    /// Gives advice about the pages around a range of any region, if it has not just failed.
    ///
    /// # Safety
    ///
    /// As for [`advise`](Self::advise).
    #[cold]
    unsafe fn advise_any(
        &self,
        range: Range<usize>,
        advice: Advice,
        failed: Option<Errno>,
    ) -> Result<(), Errno> {
        match failed {
            // A signal came while pages were brought in.
            None | Some(Errno::INTR) => {}
            Some(errno) => return Err(errno),
        }
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

    /// Makes a call on the pages around a range that marks the mapping, which the region then remembers. So it does, before, what
    /// else is to be remembered.
    ///
    /// # Safety
    ///
    /// The call changes no byte and takes no page away.
    #[inline(always)]
    unsafe fn mark(
        &self,
        range: Range<usize>,
        remember: fn(&Properties),
        call: unsafe fn(*mut c_void, usize) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let mut failed = None;
        if let Some((start, len, is_all)) = self.plain_around(&range) {
            if !is_all {
                self.in_pieces();
            }
            remember(&self.properties);
            let last = usize::MAX - (1 << page_shift());
            let end = start.addr().checked_add(len);
            // SAFETY: the bytes are mapped (invariant), and no page is the last of all addresses.
            unsafe { core::hint::assert_unchecked(end.is_some_and(|end| end <= last)) };
            // SAFETY: the pages are owned (invariant), and the caller vouches for the call.
            match unsafe { call(start, len) } {
                Ok(()) => return Ok(()),
                Err(errno) => failed = Some(errno),
            }
        }
        // SAFETY: the caller vouches for the call.
        unsafe { self.mark_any(range, remember, call, failed) }
    }

    /// Makes such a call on any region, if it has not just failed.
    ///
    /// # Safety
    ///
    /// As for [`mark`](Self::mark).
    #[cold]
    unsafe fn mark_any(
        &self,
        range: Range<usize>,
        remember: fn(&Properties),
        call: unsafe fn(*mut c_void, usize) -> Result<(), Errno>,
        failed: Option<Errno>,
    ) -> Result<(), Errno> {
        if let Some(errno) = failed {
            return Err(errno);
        }
        let (start, len) = self.around(range);
        if len == 0 {
            return Ok(());
        }
        self.cut_around((start, len));
        remember(&self.properties);
        // SAFETY: the pages are owned (invariant), and the caller vouches for the call.
        unsafe { call(start, len) }
    }

    /// Keeps the pages around a range in memory.
    #[inline]
    pub(crate) fn lock(&self, range: Range<usize>) -> Result<(), Errno> {
        // SAFETY: locking changes no byte and takes no page away.
        unsafe { self.mark(range, Properties::set_locked, sys::mlock) }
    }

    /// Keeps the pages around a range in memory from their first use on.
    #[inline]
    pub(crate) fn lock_on_fault(&self, range: Range<usize>) -> Result<(), Errno> {
        /// `mlock2` with its flag.
        unsafe fn mlock_on_fault(start: *mut c_void, len: usize) -> Result<(), Errno> {
            // SAFETY: the caller keeps the contract of mlock2(2).
            unsafe { sys::mlock2(start, len, MlockFlags::ONFAULT) }
        }
        // SAFETY: locking changes no byte and takes no page away.
        unsafe { self.mark(range, Properties::set_locked, mlock_on_fault) }
    }

    /// Keeps the pages around a range no longer.
    #[inline]
    pub(crate) fn unlock(&self, range: Range<usize>) -> Result<(), Errno> {
        // SAFETY: unlocking changes no byte and takes no page away.
        unsafe { self.mark(range, |_| (), sys::munlock) }
    }

    /// Writes the pages around a range back to their file.
    #[inline]
    pub(crate) fn sync(&self, range: Range<usize>, flags: MsyncFlags) -> Result<(), Errno> {
        let mut failed = None;
        if let Some((start, len, _)) = self.plain_around(&range) {
            // SAFETY: the pages are owned (invariant), and writing them back changes no byte of the map.
            match unsafe { sys::msync(start, len, flags) } {
                Ok(()) => return Ok(()),
                Err(errno) => failed = Some(errno),
            }
        }
        self.sync_any(range, flags, failed)
    }

    /// Writes the pages around a range of any region back, if that has not just failed.
    #[cold]
    fn sync_any(
        &self,
        range: Range<usize>,
        flags: MsyncFlags,
        failed: Option<Errno>,
    ) -> Result<(), Errno> {
        if let Some(errno) = failed {
            return Err(errno);
        }
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
#[inline]
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
