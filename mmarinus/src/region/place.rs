//! Where new pages go that must lie in a part of the address space, aligned or not.

use mmarinus_sys::{Errno, MapFlags, ProtFlags};

use super::{Behind, Region};
use crate::layout::{Layout, page_shift};

/// A part of the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Anywhere,
    /// Addresses have 31 bits.
    Below2Gib,
    /// Addresses have 48 bits or more.
    Above47Bits,
}

/// Where the lower part ends.
const LOW_END: u64 = 1 << 31;

/// Where the upper part starts.
const HIGH_START: u64 = 1 << 47;

/// The distance in bytes between places that are tried in the lower part.
const STEP: usize = 16 << 20;

impl Reach {
    /// Whether pages, by their address and length in bytes, lie in this part.
    #[inline]
    pub(crate) fn holds(self, (start, len): (usize, usize)) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Below2Gib => (start as u64).saturating_add(len as u64) <= LOW_END,
            Self::Above47Bits => start as u64 >= HIGH_START,
        }
    }

    /// The flags that make the kernel choose in this part, where there are some.
    pub(super) fn flags(self) -> MapFlags {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Below2Gib {
            return MapFlags::_32BIT;
        }
        MapFlags::empty()
    }

    /// The hint that makes the kernel choose in this part, or near `hint` if that is there.
    ///
    /// A hint of 2^47 or more, even one that cannot be used, opens all addresses. This one is a multiple of every page size.
    pub(super) fn hint(self, hint: usize) -> usize {
        match self {
            Self::Above47Bits if (hint as u64) < HIGH_START => usize::MAX << 16,
            _ => hint,
        }
    }
}

impl Region {
    /// Maps new pages in a part of the address space, so that the first whole page starts at a multiple of `align`, a power of
    /// two; near `hint` if that is so.
    #[cold]
    pub(crate) fn map_within(
        reach: Reach,
        layout: Layout,
        hint: usize,
        align: usize,
        prot: ProtFlags,
        flags: MapFlags,
        behind: Behind<'_>,
    ) -> Result<Self, Errno> {
        // Pages that would be brought in, and thrown away if they are in the wrong place, are made after the place is ours.
        if !flags.intersects(MapFlags::POPULATE.union(MapFlags::LOCKED)) {
            let hint = reach.hint(hint);
            match Self::map(layout, hint, prot, flags.union(reach.flags()), behind) {
                Ok(region) => {
                    let pages = region.pages();
                    if reach.holds(pages) && pages.0.is_multiple_of(align) {
                        return Ok(region);
                    }
                }
                // The kernel does not look everywhere in this part.
                Err(Errno::NOMEM) => {}
                Err(errno) => return Err(errno),
            }
        }
        let place = Self::reserve_within(reach, layout, align)?;
        let new = Self::map(layout, 0, prot, flags, behind)?;
        Self::replace(place, new)
    }

    /// Takes the addresses of pages in a part of the address space that start at a multiple of `align`.
    fn reserve_within(reach: Reach, layout: Layout, align: usize) -> Result<Self, Errno> {
        let align = align.max(1 << layout.page_shift());
        let spare = align - (1 << page_shift());
        let size = layout.len().checked_add(spare).ok_or(Errno::NOMEM)?;
        let whole = Layout::new(0, size, page_shift()).ok_or(Errno::NOMEM)?;
        let nothing = MapFlags::PRIVATE.union(MapFlags::NORESERVE);
        let reserve = |whole, hint, flags: MapFlags| {
            Self::map(whole, hint, ProtFlags::empty(), nothing.union(flags), None)
        };
        let reservation = Self::search(reach, whole, reserve)?;
        let before = reservation.pages().0.wrapping_neg() & (align - 1);
        let (_, rest) = reservation.split(before).map_err(|_| Errno::INVAL)?;
        let (place, _) = rest.split(layout.len()).map_err(|_| Errno::INVAL)?;
        Ok(place)
    }

    /// Makes pages in a part of the address space, by a function that takes a hint and more flags. A hint never replaces
    /// anything, and the kernel takes it where all is free.
    pub(super) fn search(
        reach: Reach,
        layout: Layout,
        make: impl Fn(Layout, usize, MapFlags) -> Result<Self, Errno>,
    ) -> Result<Self, Errno> {
        let reserve = |hint, flags| {
            make(layout, hint, flags).map(|region| reach.holds(region.pages()).then_some(region))
        };
        match reserve(reach.hint(0), reach.flags()) {
            Ok(Some(region)) => return Ok(region),
            Err(errno) if errno != Errno::NOMEM => return Err(errno),
            _ => {}
        }
        let end = LOW_END as usize;
        if reach == Reach::Below2Gib && layout.len() < end {
            for hint in (STEP..=end - layout.len()).rev().step_by(STEP) {
                if let Some(region) = reserve(hint, MapFlags::empty())? {
                    return Ok(region);
                }
            }
        }
        Err(Errno::NOMEM)
    }
}
