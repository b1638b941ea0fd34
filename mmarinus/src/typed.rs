//! Rung 1 for values: copies of plain old data, by the traits of `zerocopy`.
#![expect(
    unsafe_code,
    reason = "makes a value of bytes that any pattern makes valid"
)]

use core::mem::MaybeUninit;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::backing::{Backing, Unsliced, Written};
use crate::fault::Fault;
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{MayRead, MayWrite, Permissions};
use crate::reservation::Window;
use crate::view::View;

impl<P: Permissions, K: Kind, B: Backing<K>> View<'_, P, K, B> {
    /// Copies a value out, from `offset` on. The offset need not be aligned.
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at).
    #[inline]
    pub fn read_obj<T: FromBytes>(&self, offset: usize) -> Result<T, Fault>
    where
        P: MayRead,
    {
        value_of(|bytes| self.read_at(offset, bytes))
    }

    /// Copies a value in, to `offset` and following. The offset need not be aligned.
    ///
    /// # Errors
    ///
    /// As for [`write_at`](Self::write_at).
    #[inline]
    pub fn write_obj<T: IntoBytes + Immutable + ?Sized>(
        &self,
        offset: usize,
        value: &T,
    ) -> Result<(), Fault>
    where
        P: MayWrite,
        B: Unsliced<K> + Written<K>,
    {
        self.write_at(offset, value.as_bytes())
    }
}

/// The value whose bytes are read, all of them or none.
#[inline]
fn value_of<T: FromBytes>(read: impl FnOnce(&mut [u8]) -> Result<(), Fault>) -> Result<T, Fault> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the value is ours to write. All its bytes are zeroed, in place: padding too, which a move would not keep.
    unsafe { value.as_mut_ptr().write_bytes(0, 1) };
    // SAFETY: the value has this many bytes, all of them initialised above, and is borrowed by nobody else.
    let bytes =
        unsafe { core::slice::from_raw_parts_mut(value.as_mut_ptr().cast::<u8>(), size_of::<T>()) };
    read(bytes)?;
    // SAFETY: every byte is initialised, and any bytes are a `T` (`FromBytes`).
    Ok(unsafe { value.assume_init() })
}

impl Window<'_> {
    /// Copies a value out, from `offset` on. The offset need not be aligned. Needs the feature `zerocopy`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{ProtFlags, Reservation};
    ///
    /// let reservation = Reservation::new(1 << 30)?;
    /// reservation.protect(.., ProtFlags::READ | ProtFlags::WRITE)?;
    /// let view = reservation.view(..)?;
    /// view.write_obj(3, &0x1122_3344_5566_7788_u64)?;
    /// assert_eq!(view.read_obj::<u64>(3)?, 0x1122_3344_5566_7788);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at).
    #[inline]
    pub fn read_obj<T: FromBytes>(&self, offset: usize) -> Result<T, Fault> {
        value_of(|bytes| self.read_at(offset, bytes))
    }

    /// Copies a value in, to `offset` and following. The offset need not be aligned. Needs the feature `zerocopy`.
    ///
    /// # Errors
    ///
    /// As for [`write_at`](Self::write_at).
    #[inline]
    pub fn write_obj<T: IntoBytes + Immutable + ?Sized>(
        &self,
        offset: usize,
        value: &T,
    ) -> Result<(), Fault> {
        self.write_at(offset, value.as_bytes())
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Copies a value out, from `offset` on. The offset need not be aligned. Needs the feature `zerocopy`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let mut map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map.write_obj(3, &0x1122_3344_5566_7788_u64)?;
    /// assert_eq!(map.read_obj::<u64>(3)?, 0x1122_3344_5566_7788);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at).
    #[inline]
    pub fn read_obj<T: FromBytes>(&self, offset: usize) -> Result<T, Fault>
    where
        P: MayRead,
    {
        self.whole_view().read_obj(offset)
    }

    /// Copies a value in, to `offset` and following. The offset need not be aligned. Needs the feature `zerocopy`.
    ///
    /// # Errors
    ///
    /// As for [`write_at`](Self::write_at).
    #[inline]
    pub fn write_obj<T: IntoBytes + Immutable + ?Sized>(
        &mut self,
        offset: usize,
        value: &T,
    ) -> Result<(), Fault>
    where
        P: MayWrite,
        B: Written<K>,
    {
        self.write_at(offset, value.as_bytes())
    }
}
