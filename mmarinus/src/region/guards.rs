//! Guards: a page right before and one right behind a region's pages that nobody may touch, and that the region owns as well.
#![expect(unsafe_code, reason = "takes away the access to mapped pages")]

use core::ffi::c_void;
use core::mem::{self, ManuallyDrop};
use core::ptr::NonNull;

use mmarinus_sys::{self as sys, Advice, Errno, MapFlags, ProtFlags, Support};

use super::properties::{Known, Properties, Traits};
use super::{Behind, Reach, Region};
use crate::layout::{Layout, page_shift};

/// Where a guarded region goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    /// The address of the first whole page that is wished for; 0 is none.
    pub(crate) hint: usize,
    /// Whether it must be there.
    pub(crate) exactly: bool,
    /// A power of two in bytes, at least the page size.
    pub(crate) align: usize,
    /// Bytes between a multiple of `align` and the first whole page, if it goes anywhere; less than `align`.
    pub(crate) remainder: usize,
    pub(crate) reach: Reach,
}

/// The length of a guard in bytes: an ordinary page.
#[inline]
fn guard_len() -> usize {
    1 << page_shift()
}

impl Spot {
    /// Whether pages lie where they should, the first of which is a guard.
    fn fits(&self, (start, len): (usize, usize)) -> bool {
        self.reach.holds((start, len)) && self.distance(start) == 0
    }

    /// How far below pages, the first of which is a guard, the next place is that is aligned as it should be.
    fn distance(&self, start: usize) -> usize {
        (start + guard_len()).wrapping_sub(self.remainder) & (self.align - 1)
    }
}

impl Region {
    /// Maps new pages between two guards.
    ///
    /// `in_mapping` says that the guards may be pages of the same mapping as the body, which forked children have as well.
    #[cold]
    pub(crate) fn map_guarded(
        layout: Layout,
        spot: &Spot,
        prot: ProtFlags,
        flags: MapFlags,
        behind: Behind<'_>,
        in_mapping: bool,
    ) -> Result<Self, Errno> {
        let size = layout.len().checked_add(2 * guard_len());
        let whole = size.and_then(|size| Layout::new(0, size, page_shift()));
        let whole = whole.ok_or(Errno::NOMEM)?;
        if in_mapping && behind.is_none() && Support::guard_regions() {
            // What is mapped as one needs one mapping of `vm.max_map_count` instead of three.
            let make = |whole, hint, more| Self::map(whole, hint, prot, flags.union(more), None);
            let (before, mut body, after) = Self::find(whole, spot, make)?.in_three(layout)?;
            before.forbid()?;
            after.forbid()?;
            // SAFETY: the head is less than a page (`Layout`), and the body has at least one.
            body.ptr = unsafe { body.ptr.add(layout.head()) };
            body.len = layout.size();
            return Ok(body.between(before, after));
        }
        let nothing = MapFlags::PRIVATE.union(MapFlags::NORESERVE);
        let make = |whole, hint, more| {
            Self::map(whole, hint, ProtFlags::empty(), nothing.union(more), None)
        };
        let (before, body, after) = Self::find(whole, spot, make)?.in_three(layout)?;
        let new = Self::map(layout, 0, prot, flags, behind)?;
        Ok(Self::replace(body, new)?.between(before, after))
    }

    /// Makes pages of which the first and the last are to be guards, in the right place.
    fn find(
        whole: Layout,
        spot: &Spot,
        make: impl Fn(Layout, usize, MapFlags) -> Result<Self, Errno>,
    ) -> Result<Self, Errno> {
        if spot.exactly {
            let first = spot.hint.saturating_sub(guard_len());
            let region = make(whole, first, MapFlags::empty())?;
            return match region.pages().0 {
                start if start == first => Ok(region),
                _ => Err(Errno::EXIST),
            };
        }
        // First as the kernel likes, then just below that.
        let mut hint = spot.hint.saturating_sub(guard_len());
        for _ in 0..2 {
            match make(whole, spot.reach.hint(hint), spot.reach.flags()) {
                Ok(region) if spot.fits(region.pages()) => return Ok(region),
                Ok(region) => {
                    let (start, _) = region.pages();
                    hint = start.saturating_sub(spot.distance(start));
                }
                Err(Errno::NOMEM) if spot.reach != Reach::Anywhere => break,
                Err(errno) => return Err(errno),
            }
        }
        // Then more, in which the place surely is, cut down to it.
        let spare = spot.align.saturating_sub(guard_len());
        let more = whole.len().checked_add(spare);
        let more = more.and_then(|size| Layout::new(0, size, page_shift()));
        let more = more.ok_or(Errno::NOMEM)?;
        let found = Self::search(spot.reach, more, make)?;
        let before = spot.distance(found.pages().0).wrapping_neg() & (spot.align - 1);
        let (_, rest) = found.split(before).map_err(|_| Errno::INVAL)?;
        let (place, _) = rest.split(whole.len()).map_err(|_| Errno::INVAL)?;
        Ok(place)
    }

    /// Cuts ordinary pages into a guard, a body of this layout, and a guard.
    fn in_three(self, body: Layout) -> Result<(Self, Self, Self), Errno> {
        let (before, rest) = self.split(guard_len()).map_err(|_| Errno::INVAL)?;
        let (body, after) = rest.split(body.len()).map_err(|_| Errno::INVAL)?;
        Ok((before, body, after))
    }

    /// Takes away all access to the pages, without a mapping of their own if the kernel can.
    fn forbid(&self) -> Result<(), Errno> {
        let (start, len) = self.raw_pages();
        // SAFETY: the pages are owned (invariant), and new: nobody borrows from them.
        match unsafe { sys::madvise(start, len, Advice::GUARD_INSTALL) } {
            Ok(()) => Ok(()),
            // Where all memory is locked, say.
            // SAFETY: as above.
            Err(_) => unsafe { sys::mprotect(start, len, ProtFlags::empty().into()) },
        }
    }

    /// The same region as the owner of the guards right before and behind it, either of which may be empty.
    pub(crate) fn between(mut self, before: Self, after: Self) -> Self {
        let (start, len) = self.pages();
        debug_assert!(before.len == 0 || before.pages() == (start - guard_len(), guard_len()));
        debug_assert!(after.len == 0 || after.pages() == (start + len, guard_len()));
        self.properties.set(Traits::GUARD_BEFORE, before.len != 0);
        self.properties.set(Traits::GUARD_AFTER, after.len != 0);
        // Unmapped with this region from now on.
        mem::forget(before);
        mem::forget(after);
        self.looked_at()
    }

    /// The guard before, the region without guards, and the guard behind; a guard that is not there is empty.
    pub(crate) fn without_guards(mut self) -> (Self, Self, Self) {
        let (start, len) = self.pages();
        let guard = |address: usize, is_there| {
            let ptr = NonNull::new(self.ptr.as_ptr().with_addr(address));
            match ptr {
                Some(ptr) if is_there => Self {
                    ptr,
                    len: guard_len(),
                    properties: Properties::new(page_shift(), Traits::SPECIAL, Known::OfNothing),
                },
                _ => Self::empty(page_shift()),
            }
        };
        let before = guard(
            start.wrapping_sub(guard_len()),
            self.properties.has(Traits::GUARD_BEFORE),
        );
        let after = guard(
            start.wrapping_add(len),
            self.properties.has(Traits::GUARD_AFTER),
        );
        self.properties.set(Traits::GUARDS, false);
        (before, self.looked_at(), after)
    }

    /// Whether the region has a guard, on one side at least.
    #[inline]
    pub(crate) fn is_guarded(&self) -> bool {
        self.properties.has_any(Traits::GUARDS)
    }

    /// The whole pages with the guards, all that is unmapped when the region is.
    #[inline]
    pub(super) fn raw_owned(&self) -> (*mut c_void, usize) {
        let (start, len) = self.raw_pages();
        if !self.is_guarded() {
            return (start, len);
        }
        let (before, after) = self.guard_lens();
        (start.wrapping_byte_sub(before), before + len + after)
    }

    /// The lengths in bytes of the guards before and behind; 0 is none.
    fn guard_lens(&self) -> (usize, usize) {
        let len = |guard| {
            if self.properties.has(guard) {
                guard_len()
            } else {
                0
            }
        };
        (len(Traits::GUARD_BEFORE), len(Traits::GUARD_AFTER))
    }

    /// Takes the addresses for the pages of this region, the first of which goes to `address`, and for as many guards as it has.
    pub(super) fn reserve_around(
        &self,
        layout: Layout,
        address: usize,
    ) -> Result<(Self, Self, Self), Errno> {
        let (before, after) = self.guard_lens();
        let size = (before + after).checked_add(layout.len());
        let whole = size.and_then(|size| Layout::new(0, size, page_shift()));
        let first = address.checked_sub(before).filter(|&first| first != 0);
        let (whole, first) = (whole.ok_or(Errno::NOMEM)?, first.ok_or(Errno::EXIST)?);
        let place = Self::reserve(whole, first)?;
        if place.pages().0 != first {
            return Err(Errno::EXIST);
        }
        let (before, rest) = place.split(before).map_err(|_| Errno::INVAL)?;
        let (body, after) = rest.split(layout.len()).map_err(|_| Errno::INVAL)?;
        Ok((before, body, after))
    }

    /// Seals the guards as well, as far as the kernel does: they are never unmapped anyway.
    #[cold]
    pub(super) fn seal_guards(&self) {
        let (start, len) = self.raw_pages();
        let (before, after) = self.guard_lens();
        for (at, len) in [
            (start.wrapping_byte_sub(before), before),
            (start.wrapping_byte_add(len), after),
        ] {
            if len != 0 {
                // SAFETY: the guards are owned, and their owner is never dropped.
                let _ = unsafe { sys::mseal(at, len) };
            }
        }
    }

    /// The traits of two parts of a region that is cut, as to its guards.
    pub(super) fn cut_guards(first: &mut Self, second: &mut Self) {
        if first.len == 0 {
            first.properties.set(Traits::GUARDS, false);
        } else if second.len == 0 {
            second.properties.set(Traits::GUARDS, false);
        } else {
            first.properties.set(Traits::GUARD_AFTER, false);
            second.properties.set(Traits::GUARD_BEFORE, false);
        }
    }

    /// Gives the body of a region away: its guards are left, as regions of their own.
    pub(crate) fn guards_alone(self) -> (Self, ManuallyDrop<Self>, Self) {
        let (before, body, after) = self.without_guards();
        (before, ManuallyDrop::new(body), after)
    }
}
