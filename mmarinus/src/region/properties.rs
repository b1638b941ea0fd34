//! What a region remembers of its pages besides where they are, in eight bytes.

use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

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
/// # Invariants
///
/// - `page_shift` is the log2 of the page size in bytes.
/// - `traits` says what is true; [`Traits::ANONYMOUS`] and [`Traits::SYNCHRONOUS`] are only there if they surely are.
/// - `whole` is only true if the kernel holds the pages as one mapping, or as part of one.
/// - `locked` is true if pages may be locked in memory.
/// - `width` is 0, or the size in bytes of the only atomics that were made of the bytes through a shared reference.
#[derive(Debug)]
pub(super) struct Properties {
    page_shift: u8,
    traits: Traits,
    pub(super) width: AtomicU8,
    whole: AtomicBool,
    locked: AtomicBool,
}

impl Properties {
    /// What is known of pages of which no atomics were made.
    #[inline]
    pub(super) fn new(page_shift: u8, traits: Traits, known: Known) -> Self {
        let is_new = matches!(known, Known::OfNewPages);
        Self {
            page_shift,
            traits,
            width: AtomicU8::new(0),
            whole: AtomicBool::new(is_new),
            locked: AtomicBool::new(!is_new),
        }
    }

    /// The same of pages that were moved elsewhere as one mapping: they are not locked there and have no guards, and nobody has
    /// atomics of them.
    #[inline]
    pub(super) fn of_moved_pages(&self) -> Self {
        let traits = self.traits.difference(Traits::GUARDS);
        Self::new(self.page_shift, traits, Known::OfNewPages)
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
        let widths = [first, second].map(|one| one.width.load(Ordering::Relaxed));
        if first.page_shift != second.page_shift || widths[0] != widths[1] && !widths.contains(&0) {
            return None;
        }
        let both = first.traits & second.traits;
        let either = first.traits | second.traits;
        let certain = Traits::ANONYMOUS | Traits::SYNCHRONOUS;
        Some(Self {
            page_shift: first.page_shift,
            traits: both & certain | either.difference(certain),
            width: AtomicU8::new(widths[0].max(widths[1])),
            whole: AtomicBool::new(false),
            locked: AtomicBool::new(first.is_locked() || second.is_locked()),
        })
    }

    /// The log2 of the page size in bytes.
    #[inline]
    pub(super) fn page_shift(&self) -> u8 {
        self.page_shift
    }

    /// Whether all of these traits are there.
    #[inline]
    pub(super) fn has(&self, traits: Traits) -> bool {
        self.traits.contains(traits)
    }

    /// Whether one of these traits is there.
    #[inline]
    pub(super) fn has_any(&self, traits: Traits) -> bool {
        self.traits.intersects(traits)
    }

    /// Remembers a trait, or forgets it.
    #[inline]
    pub(super) fn set(&mut self, traits: Traits, there: bool) {
        self.traits.set(traits, there);
    }

    /// Whether the kernel surely holds the pages as one mapping, or as part of one.
    #[inline]
    pub(super) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    /// Remembers that the kernel may hold the pages as several mappings.
    #[inline]
    pub(super) fn set_in_pieces(&self) {
        self.whole.store(false, Ordering::Relaxed);
    }

    /// Whether pages may be locked.
    #[inline]
    pub(super) fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed)
    }

    /// Remembers that pages may be locked.
    #[inline]
    pub(super) fn set_locked(&self) {
        self.locked.store(true, Ordering::Relaxed);
    }

    /// Takes over the width of atomics of another region with the same bytes.
    pub(super) fn copy_width(&self, other: &Self) {
        self.width
            .store(other.width.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Clone for Properties {
    /// The same of part of the pages.
    #[inline]
    fn clone(&self) -> Self {
        Self {
            page_shift: self.page_shift,
            traits: self.traits,
            width: AtomicU8::new(self.width.load(Ordering::Relaxed)),
            whole: AtomicBool::new(self.is_whole()),
            locked: AtomicBool::new(self.is_locked()),
        }
    }
}
