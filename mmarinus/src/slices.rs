//! Rung 3, slices: maps whose bytes nobody else changes, as `&[u8]` and `&mut [u8]`.
#![expect(unsafe_code, reason = "the place where a map becomes a slice")]

use core::borrow::{Borrow, BorrowMut};
use core::ops::{Deref, DerefMut};

use crate::backing::{Backing, NoRace};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{Readable, Writable};

impl<P, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// The bytes as a slice: rung 3 of [the ladder](crate#the-ladder).
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8]
    where
        P: Readable,
        B: NoRace<K>,
    {
        let region = self.region();
        // SAFETY:
        // - The region's bytes are mapped as long as it lives, or there are none and the pointer is aligned and not null;
        //   they are at most `isize::MAX` (invariant).
        // - They are readable, since `P` is what the pages allow and is `Readable`.
        // - Accesses do not fault, and nobody else changes the bytes while the map is borrowed (`NoRace`).
        unsafe { core::slice::from_raw_parts(region.as_ptr(), region.len()) }
    }

    /// The bytes as a mutable slice: rung 3 of [the ladder](crate#the-ladder).
    #[inline]
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8]
    where
        P: Readable + Writable,
        B: NoRace<K>,
    {
        let region = self.region();
        // SAFETY: as for `as_slice`; the bytes are writable as well, and the map is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(region.as_ptr(), region.len()) }
    }
}

impl<P: Readable, K: Kind, B: NoRace<K>> Deref for Map<P, K, B> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<P: Readable + Writable, K: Kind, B: NoRace<K>> DerefMut for Map<P, K, B> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.as_mut_slice()
    }
}

impl<P: Readable, K: Kind, B: NoRace<K>> AsRef<[u8]> for Map<P, K, B> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<P: Readable + Writable, K: Kind, B: NoRace<K>> AsMut<[u8]> for Map<P, K, B> {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self.as_mut_slice()
    }
}

impl<P: Readable, K: Kind, B: NoRace<K>> Borrow<[u8]> for Map<P, K, B> {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<P: Readable + Writable, K: Kind, B: NoRace<K>> BorrowMut<[u8]> for Map<P, K, B> {
    #[inline]
    fn borrow_mut(&mut self) -> &mut [u8] {
        self.as_mut_slice()
    }
}
