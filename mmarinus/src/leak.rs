//! Leaving a map in place for ever: `Map::leak`, and what is left of the map in each case.
#![expect(
    unsafe_code,
    reason = "a leaked map becomes a reference that never ends"
)]

use mmarinus_sys::ProtFlags;

use crate::backing::Backing;
use crate::extent::Extent;
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;
use crate::view::View;

/// What a map can turn into when it is never unmapped.
#[expect(
    unnameable_types,
    reason = "a bound in the seals of `Permissions`, `Kind` and `Backing`"
)]
pub trait FromLeaked: Sized {
    /// Makes the value from the bytes of a map and the permissions that it had.
    ///
    /// # Safety
    ///
    /// - The bytes of `extent` stay mapped with `flags` for ever, and no owner is left.
    /// - Where `Self` is a slice: `flags` has `READ`, and nobody else ever changes the bytes.
    /// - Where `Self` is a mutable slice: `flags` has `WRITE` as well, and nobody else ever reads the bytes.
    /// - Where `Self` is a `View<P, K, B>`: the extent is that of a `Map<P, K, B>`.
    unsafe fn from_leaked(extent: Extent, flags: ProtFlags) -> Self;
}

impl FromLeaked for &'static [u8] {
    #[inline]
    unsafe fn from_leaked(extent: Extent, _: ProtFlags) -> Self {
        // SAFETY: the caller promises that the bytes stay mapped, readable and unchanged for ever.
        unsafe { core::slice::from_raw_parts(extent.as_ptr(), extent.len()) }
    }
}

impl FromLeaked for &'static mut [u8] {
    #[inline]
    unsafe fn from_leaked(extent: Extent, _: ProtFlags) -> Self {
        // SAFETY: the caller promises that the bytes stay mapped and writable for ever, and that nobody else uses them.
        unsafe { core::slice::from_raw_parts_mut(extent.as_ptr(), extent.len()) }
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> FromLeaked for View<'static, P, K, B> {
    #[inline]
    unsafe fn from_leaked(extent: Extent, flags: ProtFlags) -> Self {
        // SAFETY: the caller promises that the extent is that of such a map, and that it stays mapped for ever.
        unsafe { View::new(extent, P::remembered(flags)) }
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Leaves the map in place for ever and gives what may be used of it.
    ///
    /// On rung 3 that is a `&'static mut [u8]`, or a `&'static [u8]` where the permissions do not include writing; everywhere
    /// else, and where the permissions do not include reading, it is a [`View`] that never ends. No system call is made.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// let bytes: &'static mut [u8] = map.leak();
    /// bytes[0] = 7;
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    #[inline]
    #[must_use = "what is not used of a leaked map can never be reached again"]
    pub fn leak(self) -> B::Leaked<P> {
        let (perms, region) = self.into_region();
        let extent = region.extent();
        core::mem::forget(region);
        // SAFETY:
        // - The region, the only owner, was forgotten; so the bytes stay mapped with these permissions for ever.
        // - `Leaked` is a slice only where `B` is `NoRace` and `P` is `Readable` (the seals of `Backing`, `Kind`, `Permissions`),
        //   and a mutable one only where `P` is `Writable` as well; no borrow of the map is left, since it came by value.
        // - Else it is a view with the parameters of this map.
        unsafe { FromLeaked::from_leaked(extent, perms.flags()) }
    }
}
