//! Rung 2 as a struct: a header whose fields are atomics of several sizes.
#![expect(
    unsafe_code,
    reason = "the place where a map becomes a struct of atomics"
)]

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use crate::atomics::Atomic;
use crate::backing::{Anonymous, Backing, Concurrent};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::{Kind, Private};
use crate::map::Map;
use crate::perms::{Permissions, Readable, Writable};

/// A struct that others may write at the same time: its bytes are those of atomics, each at a fixed place.
///
/// The atomic integers and arrays of them are such layouts, and [`shared_layout!`](crate::shared_layout) makes structs of them
/// that are.
///
/// # Safety
///
/// For whoever implements it:
///
/// - all bytes of the type lie in atomic integers of `core::sync::atomic`: there is no padding and no other field;
/// - where they lie is fixed, as by `repr(C)`;
/// - the type's own functions reach the bytes by no other way, and whatever they are, does not break Rust's rules.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not made of atomics alone",
    label = "others may write it at the same time",
    note = "memory that others write holds atomic integers, arrays of them, and structs that `mmarinus::shared_layout!` declares"
)]
pub unsafe trait SharedLayout: Sync + Send + Sized + 'static {}

// SAFETY: an atomic integer, which has no padding (`Atomic`).
unsafe impl<A: Atomic> SharedLayout for A {}

// SAFETY: elements lie one behind the other, and each is made of atomics.
unsafe impl<T: SharedLayout, const N: usize> SharedLayout for [T; N] {}

/// Declares a `repr(C)` struct of atomics, and proves that it is a [`SharedLayout`]: every field is one, and there is no padding.
///
/// A field may be an atomic integer, an array, or another such struct. Where `repr(C)` would leave a gap, this does not compile:
/// say what lies there by a field, such as `_gap: [AtomicU8; 4]`. The struct has `Debug`.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
/// use mmarinus::{Map, Shared, perms};
///
/// mmarinus::shared_layout! {
///     /// What stands at the start of the queue.
///     pub struct Header {
///         /// The next to be written.
///         pub head: AtomicU64,
///         pub version: AtomicU16,
///         pub flags: [AtomicU8; 2],
///         pub waiters: AtomicU32,
///     }
/// }
///
/// let map = Map::bytes(4096).anywhere().anonymously().with_kind(Shared).with(perms::ReadWrite)?;
/// let header = map.into_shared::<Header>()?;
/// header.head.store(1 << 40, Ordering::Release);
/// header.flags[1].fetch_or(4, Ordering::Relaxed);
/// assert_eq!(header.head.load(Ordering::Acquire), 1 << 40);
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// A gap does not compile:
///
/// ```compile_fail,E0080
/// use std::sync::atomic::{AtomicU8, AtomicU32};
///
/// mmarinus::shared_layout! {
///     struct Gap {
///         flag: AtomicU8,
///         count: AtomicU32,
///     }
/// }
/// ```
#[macro_export]
macro_rules! shared_layout {
    (
        $(#[doc = $doc:expr])*
        $visibility:vis struct $name:ident {
            $(
                $(#[doc = $field_doc:expr])*
                $field_visibility:vis $field:ident: $field_type:ty
            ),+ $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug)]
        #[repr(C)]
        $visibility struct $name {
            $(
                $(#[doc = $field_doc])*
                $field_visibility $field: $field_type,
            )+
        }

        const _: () = {
            let mut fields = 0;
            $(
                fields += $crate::__shared_layout::size_of_field::<$field_type>();
            )+
            $crate::__shared_layout::assert_no_gap::<$name>(fields);
        };

        // SAFETY: `repr(C)`, and the constant above proves that every field is a `SharedLayout` and that nothing lies between.
        unsafe impl $crate::SharedLayout for $name {}
    };
}

/// What `shared_layout!` proves with, when it is compiled.
#[doc(hidden)]
pub mod __shared_layout {
    use super::SharedLayout;

    /// The size of a field in bytes, which must be a layout itself.
    #[must_use]
    pub const fn size_of_field<T: SharedLayout>() -> usize {
        size_of::<T>()
    }

    /// Refuses a struct that is larger than its fields.
    pub const fn assert_no_gap<T>(fields: usize) {
        assert!(
            size_of::<T>() == fields,
            "there is a gap between the fields or after them: say what lies there by a field of `AtomicU8`s"
        );
    }
}

/// A map that is used as a struct of atomics, by [`Map::into_shared`].
///
/// It is the only way to the bytes in this map as long as it lives: each of them belongs to one atomic, whose size the struct
/// says. [`into_map`](Self::into_map) gives the map back.
///
/// Another map of the same object (a [twin](Map::duplicate), or one in another process) has other addresses, and may use
/// atomics of other sizes there; whoever makes it sees to it that both agree.
///
/// `SharedBlock<[T], ..>`, by [`Map::into_shared_slice`], is as many of them as there are bytes for.
pub struct SharedBlock<T: ?Sized, P, K: Kind = Private, B: Backing<K> = Anonymous> {
    /// At least as long as `T` (whole elements, if that is a slice), aligned for it, readable and writable; an access does not
    /// fault, and there are no slices of bytes.
    map: Map<P, K, B>,
    layout: PhantomData<T>,
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Takes the start of the map for a struct of atomics of several sizes, such as a header: rung 2 of
    /// [the ladder](crate#the-ladder). Makes no system call.
    ///
    /// The map is used in this way alone from then on; [`split`](Self::split) it before if what follows the header is to be used
    /// otherwise.
    ///
    /// # Examples
    ///
    /// See [`shared_layout!`](crate::shared_layout).
    ///
    /// # Errors
    ///
    /// The map comes back.
    ///
    /// `EINVAL` if the map is shorter than `T` or its first byte is not aligned for it, or if atomics of one size were made of
    /// the map before: a twin of it may still use them.
    pub fn into_shared<T: SharedLayout>(self) -> Result<SharedBlock<T, P, K, B>, Error<Self>>
    where
        P: Readable + Writable,
        B: Concurrent<K>,
    {
        let size = size_of::<T>();
        let short = (self.len() < size).then_some((Reason::ShortOfBlock, [size, self.len()]));
        self.into_block(size, align_of::<T>(), short)
    }

    /// Takes all of the map for a row of atomics, or of structs of them: rung 2 of [the ladder](crate#the-ladder). Makes no
    /// system call.
    ///
    /// The map is used in this way alone from then on, as by [`into_shared`](Self::into_shared). Unlike
    /// [`atomics`](Self::atomics), which borrows, the row has the map.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let map = Map::bytes(800).anywhere().anonymously().with_kind(Shared).with(perms::ReadWrite)?;
    /// let row = map.into_shared_slice::<AtomicU64>()?;
    /// assert_eq!(row.len(), 100);
    /// row[99].store(7, Ordering::Relaxed);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The map comes back.
    ///
    /// `EINVAL` if the length of the map is no multiple of the size of `T` or its first byte is not aligned for it, or if atomics
    /// of one size were made of the map before: a twin of it may still use them.
    pub fn into_shared_slice<T: SharedLayout>(
        self,
    ) -> Result<SharedBlock<[T], P, K, B>, Error<Self>>
    where
        P: Readable + Writable,
        B: Concurrent<K>,
    {
        const { assert!(size_of::<T>() != 0, "an element has a size") };
        let size = size_of::<T>();
        let is_ragged = !self.len().is_multiple_of(size);
        let ragged = is_ragged.then_some((Reason::Ragged, [size, self.len()]));
        self.into_block(size, align_of::<T>(), ragged)
    }

    /// Takes the map for a block, unless something is in the way: its length, as the caller has checked, its alignment, or
    /// atomics.
    fn into_block<T: ?Sized>(
        self,
        size: usize,
        align: usize,
        length: Option<(Reason, [usize; 2])>,
    ) -> Result<SharedBlock<T, P, K, B>, Error<Self>> {
        let width = usize::from(self.region().extent().width());
        let refusal = if width != 0 {
            Some((Reason::WidthFixed, [size, width]))
        } else if !self.addr().is_multiple_of(align) {
            Some((Reason::MisalignedBlock, [align, self.addr()]))
        } else {
            length
        };
        match refusal {
            None => Ok(SharedBlock {
                map: self,
                layout: PhantomData,
            }),
            Some((reason, figures)) => {
                let cause = Cause::refused(Operation::IntoShared, reason, figures);
                Err(Error::with_map(cause, self))
            }
        }
    }
}

impl<T: ?Sized, P, K: Kind, B: Backing<K>> SharedBlock<T, P, K, B> {
    /// Gives the map back, of which atomics of any one size can be made then: nobody borrows the struct any more.
    #[inline]
    pub fn into_map(self) -> Map<P, K, B> {
        self.map
    }

    /// The address of the struct, which is that of the map.
    #[inline]
    #[must_use]
    pub fn addr(&self) -> usize {
        self.map.addr()
    }
}

impl<T: SharedLayout, P, K: Kind, B: Backing<K>> Deref for SharedBlock<T, P, K, B> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: by the invariant of `map`, which `into_shared`, the only way to a block of a sized type, has checked:
        // - The bytes are aligned for `T`, lie in the map, which is borrowed, and are readable and writable without a fault.
        // - Any bytes are a `T`, all of which are atomics (`SharedLayout`), so that others may write them.
        // - No slices of the map exist (`Concurrent`), and no atomics of other sizes: the block alone has the map.
        unsafe { &*self.map.as_ptr().cast::<T>() }
    }
}

impl<T: SharedLayout, P, K: Kind, B: Backing<K>> Deref for SharedBlock<[T], P, K, B> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let len = self.map.len() / size_of::<T>();
        // SAFETY: by the invariant of `map`, which `into_shared_slice`, the only way to a block of a slice, has checked:
        // - The bytes are whole elements, aligned for `T`, in the map, which is borrowed, and are readable and writable without
        //   a fault; of an empty map there are none, and its address is aligned.
        // - Any bytes are a `T`, all of which are atomics (`SharedLayout`), so that others may write them.
        // - No slices of bytes of the map exist (`Concurrent`), and no atomics of other sizes: the block alone has the map.
        unsafe { core::slice::from_raw_parts(self.map.as_ptr().cast::<T>(), len) }
    }
}

impl<T: SharedLayout + fmt::Debug, P, K: Kind, B: Backing<K>> fmt::Debug
    for SharedBlock<[T], P, K, B>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedBlock").field(&&**self).finish()
    }
}

impl<T: SharedLayout + fmt::Debug, P, K: Kind, B: Backing<K>> fmt::Debug
    for SharedBlock<T, P, K, B>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedBlock").field(&**self).finish()
    }
}
