//! What a region remembers of its pages besides where they are, in two words that are copied in one piece each.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use bitflags::bitflags;

bitflags! {
    /// What is known of pages since they were mapped.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Traits: u8 {
        /// No file stands behind the pages.
        const ANONYMOUS = 1;
        /// They were asked for with options (`.locked()`, `.no_reserve()`, `.stack()`, those about forks) that new pages would
        /// have to get as well.
        const SPECIAL = 1 << 1;
        /// What lies behind the end of the region may be another's by a promise, though it is of the same file: it never grows.
        const BOUNDED = 1 << 2;
        /// They are part of what was once one mapping of huge pages, or may be: moving one part would break the others.
        const CUT = 1 << 3;
        /// A page that may be written has its place on the storage: what leaves the caches is durable.
        const SYNCHRONOUS = 1 << 4;
        /// The ordinary page right before the first whole page is owned as well, and nobody may touch it.
        const GUARD_BEFORE = 1 << 5;
        /// The ordinary page right behind the last whole page is owned as well, and nobody may touch it.
        const GUARD_AFTER = 1 << 6;
        const GUARDS = Self::GUARD_BEFORE.bits() | Self::GUARD_AFTER.bits();
        /// There is at least one page, all are ordinary ones without guards, and the first asked byte is the first of its page.
        /// So the system calls take pointer and length as they are, and round to whole pages themselves. What is not known to
        /// be so is looked at.
        const PLAIN = 1 << 7;
    }
}

/// How much is known of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// They are new.
    OfNewPages,
    /// They come from elsewhere: they may be locked, and several mappings.
    OfNothing,
}

/// What is known of the pages of a region.
///
/// The compiler keeps what is atomic in memory, so that what is not stands apart: what only its owner changes.
///
/// # Invariants
///
/// - The log2 of the page size in bytes is that.
/// - The traits say what is true; [`Traits::ANONYMOUS`], [`Traits::SYNCHRONOUS`] and [`Traits::PLAIN`] are only there if they
///   surely are.
/// - The size of atomics is 0, or the size in bytes of the only atomics that were made of the bytes through a shared reference.
/// - `WHOLE` is only there if the kernel holds the pages as one mapping, or as part of one.
/// - `LOCKED` is there if pages may be locked in memory.
/// - `MERGEABLE` is there if the kernel was asked to merge pages.
pub(super) struct Properties {
    /// The log2 of the page size, and the traits in the byte above it.
    fixed: u32,
    /// The size of atomics, and [`WHOLE`], [`LOCKED`] and [`MERGEABLE`]. Through a shared reference, the first comes once, the
    /// second goes, the third comes, the last comes and goes; each for itself.
    seen: AtomicU32,
}

/// Where the traits start.
const TRAITS: u32 = 8;
/// The bits of the size of atomics.
const WIDTH: u32 = 0xff;
/// Whether the kernel surely holds the pages as one mapping, or as part of one.
const WHOLE: u32 = 1 << 8;
/// Whether pages may be locked.
const LOCKED: u32 = 1 << 9;
/// Whether the kernel was asked to merge pages.
const MERGEABLE: u32 = 1 << 10;

impl Properties {
    /// What is known of pages of which no atomics were made.
    #[inline]
    pub(super) const fn new(page_shift: u8, traits: Traits, known: Known) -> Self {
        let known = match known {
            Known::OfNewPages => WHOLE,
            Known::OfNothing => LOCKED,
        };
        Self::of(page_shift, traits, known)
    }

    /// What these words say.
    #[inline]
    const fn of(page_shift: u8, traits: Traits, seen: u32) -> Self {
        Self {
            fixed: page_shift as u32 | (traits.bits() as u32) << TRAITS,
            seen: AtomicU32::new(seen),
        }
    }

    /// What may change through a shared reference.
    #[inline]
    fn seen(&self) -> u32 {
        self.seen.load(Ordering::Relaxed)
    }

    /// The traits.
    #[inline]
    fn traits(&self) -> Traits {
        Traits::from_bits_retain((self.fixed >> TRAITS) as u8)
    }

    /// The same of pages that were moved elsewhere as one mapping: they are not locked there and have no guards, and nobody has
    /// atomics of them.
    #[inline]
    pub(super) fn of_moved_pages(&self) -> Self {
        let traits = self.traits().difference(Traits::GUARDS | Traits::PLAIN);
        Self::of(self.page_shift(), traits, WHOLE | self.seen() & MERGEABLE)
    }

    /// The same, but for what may change through a shared reference: enough to know the pages.
    #[inline]
    pub(super) fn unseen(&self) -> Self {
        Self {
            fixed: self.fixed,
            seen: AtomicU32::new(0),
        }
    }

    /// What is left once all pages are unmapped.
    pub(super) fn of_no_pages(&self) -> Self {
        let mut none = self.of_moved_pages();
        none.set(
            Traits::SPECIAL,
            self.has(Traits::SPECIAL) || self.is_locked() || self.has_any(Traits::GUARDS),
        );
        none
    }

    /// What is true of neighbours together; `None` if they do not fit.
    pub(super) fn of_both(first: &Self, second: &Self) -> Option<Self> {
        let widths = [first, second].map(Self::width);
        let page_shift = first.page_shift();
        if page_shift != second.page_shift() || widths[0] != widths[1] && !widths.contains(&0) {
            return None;
        }
        let both = first.traits() & second.traits();
        let either = first.traits() | second.traits();
        let certain = Traits::ANONYMOUS | Traits::SYNCHRONOUS | Traits::PLAIN;
        let traits = both & certain | either.difference(certain);
        let asked = (first.seen() | second.seen()) & (LOCKED | MERGEABLE);
        let width = u32::from(widths[0].max(widths[1]));
        Some(Self::of(page_shift, traits, width | asked))
    }

    /// The log2 of the page size in bytes.
    #[inline]
    pub(super) fn page_shift(&self) -> u8 {
        self.fixed as u8
    }

    /// Whether all of these traits are there.
    #[inline]
    pub(super) fn has(&self, traits: Traits) -> bool {
        self.traits().contains(traits)
    }

    /// Whether one of these traits is there.
    #[inline]
    pub(super) fn has_any(&self, traits: Traits) -> bool {
        self.traits().intersects(traits)
    }

    /// Remembers a trait, or forgets it.
    #[inline]
    pub(super) fn set(&mut self, traits: Traits, there: bool) {
        let traits = u32::from(traits.bits()) << TRAITS;
        if there {
            self.fixed |= traits;
        } else {
            self.fixed &= !traits;
        }
    }

    /// Whether the kernel surely holds the pages as one mapping, or as part of one.
    #[inline]
    pub(super) fn is_whole(&self) -> bool {
        self.seen() & WHOLE != 0
    }

    /// Remembers that the kernel may hold the pages as several mappings.
    #[inline]
    pub(super) fn set_in_pieces(&self) {
        if self.is_whole() {
            self.seen.fetch_and(!WHOLE, Ordering::Relaxed);
        }
    }

    /// Whether pages may be locked.
    #[inline]
    pub(super) fn is_locked(&self) -> bool {
        self.seen() & LOCKED != 0
    }

    /// Remembers that pages may be locked.
    #[inline]
    pub(super) fn set_locked(&self) {
        if !self.is_locked() {
            self.seen.fetch_or(LOCKED, Ordering::Relaxed);
        }
    }

    /// Whether the kernel was asked to merge pages.
    pub(super) fn is_mergeable(&self) -> bool {
        self.seen() & MERGEABLE != 0
    }

    /// Remembers whether the kernel was asked to merge pages.
    pub(super) fn set_mergeable(&self, mergeable: bool) {
        if mergeable {
            self.seen.fetch_or(MERGEABLE, Ordering::Relaxed);
        } else {
            self.seen.fetch_and(!MERGEABLE, Ordering::Relaxed);
        }
    }

    /// The size in bytes of the atomics; 0 as long as there were none.
    #[inline]
    pub(super) fn width(&self) -> u8 {
        (self.seen() & WIDTH) as u8
    }

    /// Fixes the size in bytes of atomics, or says which other size was fixed before.
    #[inline]
    pub(super) fn claim_width(&self, width: u8) -> Result<(), u8> {
        // What is fixed once stays.
        if self.width() == width {
            return Ok(());
        }
        self.fix_width(width)
    }

    /// Fixes the size of atomics for the first time, or refuses.
    #[cold]
    fn fix_width(&self, width: u8) -> Result<(), u8> {
        let fix = |seen| (seen & WIDTH == 0).then_some(seen | u32::from(width));
        let order = Ordering::Relaxed;
        match self.seen.fetch_update(order, order, fix) {
            Err(seen) if seen & WIDTH != u32::from(width) => Err((seen & WIDTH) as u8),
            _ => Ok(()),
        }
    }

    /// Takes over the width of atomics of another region with the same bytes.
    pub(super) fn copy_width(&mut self, other: &Self) {
        let seen = self.seen.get_mut();
        *seen = *seen & !WIDTH | u32::from(other.width());
    }
}

impl Clone for Properties {
    /// The same of part of the pages.
    #[inline]
    fn clone(&self) -> Self {
        Self {
            fixed: self.fixed,
            seen: AtomicU32::new(self.seen()),
        }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Properties")
            .field("page_shift", &self.page_shift())
            .field("traits", &self.traits())
            .field("width", &self.width())
            .field("whole", &self.is_whole())
            .field("locked", &self.is_locked())
            .field("mergeable", &self.is_mergeable())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Properties of new pages of 4 KiB.
    fn new(traits: Traits) -> Properties {
        Properties::new(12, traits, Known::OfNewPages)
    }

    /// What is locked, mergeable and whole.
    fn told(properties: &Properties) -> [bool; 3] {
        [
            properties.is_locked(),
            properties.is_mergeable(),
            properties.is_whole(),
        ]
    }

    #[test]
    fn each_thing_is_remembered_for_itself() {
        let properties = new(Traits::empty());
        assert_eq!(told(&properties), [false, false, true]);
        properties.set_mergeable(true);
        assert_eq!(told(&properties), [false, true, true]);
        properties.set_locked();
        properties.set_locked();
        assert_eq!(told(&properties), [true, true, true]);
        properties.set_in_pieces();
        assert_eq!(told(&properties), [true, true, false]);
        assert_eq!(properties.claim_width(4), Ok(()));
        assert_eq!(properties.claim_width(8), Err(4));
        assert_eq!(properties.width(), 4);
        assert_eq!(told(&properties.clone()), [true, true, false]);
        properties.set_mergeable(false);
        assert_eq!(told(&properties), [true, false, false]);
        assert_eq!(told(&properties.of_moved_pages()), [false, false, true]);
        // Of what nobody knows, the worse is taken to be so.
        let unknown = Properties::new(12, Traits::empty(), Known::OfNothing);
        assert_eq!(told(&unknown), [true, false, false]);
    }

    #[test]
    fn what_is_so_of_one_neighbour_is_so_of_both() {
        for bits in 0..16 {
            let [first, second] = [bits, bits >> 2].map(|bits| {
                let properties = new(Traits::empty());
                if bits & 1 != 0 {
                    properties.set_locked();
                }
                properties.set_mergeable(bits & 2 != 0);
                properties
            });
            let both = Properties::of_both(&first, &second).expect("they fit");
            let locked = first.is_locked() || second.is_locked();
            let mergeable = first.is_mergeable() || second.is_mergeable();
            // What is joined may be several mappings.
            assert_eq!(told(&both), [locked, mergeable, false]);
        }
    }

    #[test]
    fn neighbours_that_differ_do_not_fit() {
        let first = new(Traits::empty());
        let large = Properties::new(21, Traits::empty(), Known::OfNewPages);
        assert!(Properties::of_both(&first, &large).is_none());
        let second = new(Traits::empty());
        second.claim_width(4).expect("the first width");
        for (one, two) in [(&first, &second), (&second, &first), (&second, &second)] {
            let both = Properties::of_both(one, two).expect("one width");
            assert_eq!(both.width(), 4);
        }
        first.claim_width(8).expect("the first width");
        assert!(Properties::of_both(&first, &second).is_none());
    }

    #[test]
    fn what_promises_is_so_of_both_and_what_warns_of_one() {
        let certain = Traits::ANONYMOUS | Traits::SYNCHRONOUS | Traits::PLAIN;
        for (one, two) in [
            (certain, Traits::all()),
            (Traits::all(), certain),
            (Traits::empty(), Traits::all()),
            (Traits::all(), Traits::all()),
        ] {
            let both = Properties::of_both(&new(one), &new(two)).expect("they fit");
            for (_, traits) in Traits::all().iter_names() {
                let expected = match certain.contains(traits) {
                    true => one.contains(traits) && two.contains(traits),
                    false => one.contains(traits) || two.contains(traits),
                };
                assert_eq!(both.has(traits), expected, "{traits:?}");
            }
        }
    }
}
