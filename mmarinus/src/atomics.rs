//! Rung 2, atomics: memory that others write at the same time, without data races.
#![expect(unsafe_code, reason = "the place where a map becomes atomics")]

use core::fmt;
use core::ops::{Range, RangeBounds};
use core::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicIsize, AtomicU8, AtomicU16, AtomicU32, AtomicUsize,
    Ordering, fence,
};
#[cfg(target_has_atomic = "64")]
use core::sync::atomic::{AtomicI64, AtomicU64};

use crate::backing::{Backing, Concurrent, NoRace};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{Readable, Writable};
use crate::range::resolve;

/// The largest atomic in bytes that a relaxed load takes from memory which may not be written, as the documentation of
/// `core::sync::atomic` says for each architecture.
pub(crate) const LOADED_AT_ONCE: usize = {
    let four = cfg!(any(
        target_arch = "x86",
        target_arch = "arm",
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "powerpc",
        target_arch = "riscv32",
        target_arch = "sparc",
        target_arch = "hexagon"
    ));
    let eight = cfg!(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "loongarch64",
        target_arch = "mips64",
        target_arch = "mips64r6",
        target_arch = "powerpc64",
        target_arch = "riscv64",
        target_arch = "sparc64",
        target_arch = "s390x"
    ));
    if eight {
        8
    } else if four {
        4
    } else {
        0
    }
};

/// An atomic integer: every bit pattern is a value of it, and it has no padding.
///
/// Sealed: the atomic integers of `core` are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an atomic integer",
    note = "a map lends `AtomicU8` … `AtomicU64`, `AtomicI8` … `AtomicI64`, `AtomicUsize` and `AtomicIsize`"
)]
pub trait Atomic: sealed::Sealed + Send + Sync + Sized + 'static {
    /// The integer.
    type Value: Copy + fmt::Debug;
}

/// An atomic integer in memory that may be read only: it can be loaded, and nothing else.
///
/// See [`Map::observe`].
#[repr(transparent)]
pub struct Observed<A>(A);

impl<A: Atomic> Observed<A> {
    /// Loads the value with [`Ordering::Relaxed`]: the only order in which memory that may not be written can be loaded.
    #[inline]
    pub fn load(&self) -> A::Value {
        self.0.load_relaxed()
    }

    /// Loads the value, and then orders what follows after what the writer did before it stored the value with
    /// [`Ordering::Release`].
    #[inline]
    pub fn load_acquire(&self) -> A::Value {
        let value = self.0.load_relaxed();
        fence(Ordering::Acquire);
        value
    }
}

impl<A: Atomic> fmt::Debug for Observed<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observed").field(&self.load()).finish()
    }
}

impl<P, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Bytes as atomics, through a shared reference: rung 2 of [the ladder](crate#the-ladder).
    ///
    /// A map has one width of atomics, fixed at their first use: atomics of different sizes over the same bytes must not race.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let map = Map::bytes(4096).anywhere().anonymously().with_kind(Shared).with(perms::ReadWrite)?;
    /// let counters = map.atomics::<AtomicU64>(0..64)?;
    /// std::thread::scope(|scope| {
    ///     for _ in 0..4 {
    ///         scope.spawn(|| counters[3].fetch_add(1, Ordering::Relaxed));
    ///     }
    /// });
    /// assert_eq!(counters[3].load(Ordering::Relaxed), 4);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range does not lie in the map, if its first byte is not aligned for `A` or its length is no multiple
    /// of it, or if atomics of another size were made of this map before.
    #[inline]
    pub fn atomics<A: Atomic>(&self, range: impl RangeBounds<usize>) -> Result<&[A], Error>
    where
        P: Readable + Writable,
        B: Concurrent<K>,
    {
        let range = self.atoms::<A>(range)?;
        if range.is_empty() {
            return Ok(&[]);
        }
        self.fix_width::<A>()?;
        let first = self.as_ptr().wrapping_add(range.start).cast();
        // SAFETY:
        // - The range is aligned, lies in the map and is a whole number of atomics (`atoms`), which any bytes are (`Atomic`).
        // - The pages are readable and writable (`P`), an access does not fault and no slice exists (`Concurrent`).
        // - Atomics of other sizes are never made of this map through a shared reference (`fix_width`).
        Ok(unsafe { core::slice::from_raw_parts(first, range.len() / size_of::<A>()) })
    }

    /// Bytes as integers that others write and that are only loaded, also from memory that may not be written: rung 2 of
    /// [the ladder](crate#the-ladder).
    ///
    /// Where pointers have 32 bits, `A` has at most 32: loading more would write. On the few architectures for which Rust
    /// promises nothing of loads from memory that may not be written (m68k, csky), this does not compile.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::AtomicU32;
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let map = Map::bytes(4096).anywhere().anonymously().with_kind(Shared).with(perms::Read)?;
    /// let words = map.observe::<AtomicU32>(..)?;
    /// assert_eq!(words[1023].load(), 0);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`atomics`](Self::atomics).
    #[inline]
    pub fn observe<A: Atomic>(
        &self,
        range: impl RangeBounds<usize>,
    ) -> Result<&[Observed<A>], Error>
    where
        P: Readable,
        B: Concurrent<K>,
    {
        const {
            assert!(
                size_of::<A>() <= LOADED_AT_ONCE,
                "memory that may not be written cannot be loaded at this width here"
            );
        }
        let range = self.atoms::<A>(range)?;
        if range.is_empty() {
            return Ok(&[]);
        }
        self.fix_width::<A>()?;
        let first = self.as_ptr().wrapping_add(range.start).cast();
        // SAFETY: as for `atomics`; the pages need not be writable, since `Observed` is only loaded, relaxed and at most as
        // wide as a pointer, which the documentation of `core::sync::atomic` allows on memory that may not be written.
        Ok(unsafe { core::slice::from_raw_parts(first, range.len() / size_of::<A>()) })
    }

    /// Bytes of a map that nobody else changes as atomics, for as long as it is borrowed mutably: rung 3 of
    /// [the ladder](crate#the-ladder).
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range does not lie in the map, or if its first byte is not aligned for `A` or its length is no
    /// multiple of it.
    #[inline]
    pub fn atomics_mut<A: Atomic>(
        &mut self,
        range: impl RangeBounds<usize>,
    ) -> Result<&mut [A], Error>
    where
        P: Readable + Writable,
        B: NoRace<K>,
    {
        let range = self.atoms::<A>(range)?;
        let first = self.as_mut_ptr().wrapping_add(range.start).cast();
        // SAFETY:
        // - The range is aligned, lies in the map and is a whole number of atomics (`atoms`), which any bytes are (`Atomic`).
        // - The pages are readable and writable (`P`), an access does not fault and nobody else uses the bytes (`NoRace`), which
        //   are borrowed mutably.
        Ok(unsafe { core::slice::from_raw_parts_mut(first, range.len() / size_of::<A>()) })
    }

    /// The bytes that `range` names, if a whole number of aligned atomics lies there.
    #[inline]
    fn atoms<A: Atomic>(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>, Cause> {
        let refused = |reason, figures| Cause::refused(Operation::Atomics, reason, figures);
        let range = resolve(range, self.len())
            .map_err(|figures| Cause::refused(Operation::View, Reason::OutOfRange, figures))?;
        let first = self.addr() + range.start;
        if !first.is_multiple_of(align_of::<A>()) {
            return Err(refused(Reason::Misaligned, [align_of::<A>(), first]));
        }
        if !range.len().is_multiple_of(size_of::<A>()) {
            return Err(refused(Reason::Ragged, [size_of::<A>(), range.len()]));
        }
        Ok(range)
    }

    /// Fixes the width of the map's atomics to that of `A`.
    #[inline]
    fn fix_width<A: Atomic>(&self) -> Result<(), Cause> {
        self.region()
            .claim_width(size_of::<A>() as u8)
            .map_err(|other| {
                Cause::refused(
                    Operation::Atomics,
                    Reason::OtherWidth,
                    [size_of::<A>(), usize::from(other)],
                )
            })
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "the seal of `Atomic`")]
    pub trait Sealed {
        /// Loads the value relaxed.
        fn load_relaxed(&self) -> <Self as super::Atomic>::Value
        where
            Self: super::Atomic;
    }
}

/// Says which integer an atomic holds.
macro_rules! atomic {
    ($($atomic:ty: $value:ty),* $(,)?) => {$(
        impl Atomic for $atomic {
            type Value = $value;
        }

        impl sealed::Sealed for $atomic {
            #[inline]
            fn load_relaxed(&self) -> $value {
                self.load(Ordering::Relaxed)
            }
        }
    )*};
}

atomic! {
    AtomicU8: u8, AtomicU16: u16, AtomicU32: u32, AtomicUsize: usize,
    AtomicI8: i8, AtomicI16: i16, AtomicI32: i32, AtomicIsize: isize,
}
#[cfg(target_has_atomic = "64")]
atomic! { AtomicU64: u64, AtomicI64: i64 }
