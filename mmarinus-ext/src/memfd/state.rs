//! The states of a file in memory, as types, and what each of them allows.

use core::fmt::Debug;
use std::fs::File;

use mmarinus::backing::{self, Backing};
use mmarinus::builder::Builder;
use mmarinus::{Private, Shared};
use mmarinus_sys::SealFlags;

/// Anybody who has the file may write it, cut it and extend it; it can be sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Open;

/// The size never changes again: `F_SEAL_SHRINK` and `F_SEAL_GROW`. The bytes may, and holes may be punched into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SizeSealed;

/// The size never changes again, and only maps that could write before still can: `F_SEAL_SHRINK`, `F_SEAL_GROW` and
/// `F_SEAL_FUTURE_WRITE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broadcast;

/// Neither size nor bytes ever change again, and there are no holes: `F_SEAL_SHRINK`, `F_SEAL_GROW` and `F_SEAL_WRITE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sealed;

/// A state of a [`Memfd`](super::Memfd): [`Open`], [`SizeSealed`], [`Broadcast`] or [`Sealed`].
pub trait State:
    sealed::Sealed + Copy + Default + Debug + Eq + Send + Sync + Unpin + 'static
{
    /// What a map of the file has behind it.
    type Backing: Backing<Private> + Backing<Shared>;

    /// Says what is mapped.
    #[doc(hidden)]
    fn behind<'fd>(
        request: Builder<'static>,
        file: &'fd File,
        offset: u64,
    ) -> Builder<'fd, Private, Self::Backing>;
}

/// The size never changes again: every state but [`Open`].
#[diagnostic::on_unimplemented(
    message = "a `Memfd<{Self}>` may change its size",
    note = "`seal_size` and `seal` make it hold still"
)]
pub trait Fixed: State {}

/// The bytes may be written through the descriptor: [`Open`] and [`SizeSealed`].
#[diagnostic::on_unimplemented(
    message = "a `Memfd<{Self}>` is sealed against writing",
    note = "write before it is sealed; a private map of it can be written, and keeps that to itself"
)]
pub trait Writable: State {}

/// The file can be sealed further: every state but [`Sealed`].
#[diagnostic::on_unimplemented(message = "a `Memfd<{Self}>` is sealed already")]
pub trait Unsealed: State {}

impl State for Open {
    type Backing = backing::File;

    fn behind<'fd>(
        request: Builder<'static>,
        file: &'fd File,
        offset: u64,
    ) -> Builder<'fd, Private, backing::File> {
        request.from(file, offset)
    }
}

impl State for SizeSealed {
    type Backing = backing::SizeSealed;

    fn behind<'fd>(
        request: Builder<'static>,
        file: &'fd File,
        offset: u64,
    ) -> Builder<'fd, Private, backing::SizeSealed> {
        request.from_size_sealed(file, offset)
    }
}

impl State for Broadcast {
    type Backing = backing::SizeSealed;

    fn behind<'fd>(
        request: Builder<'static>,
        file: &'fd File,
        offset: u64,
    ) -> Builder<'fd, Private, backing::SizeSealed> {
        request.from_size_sealed(file, offset)
    }
}

impl State for Sealed {
    type Backing = backing::Sealed;

    fn behind<'fd>(
        request: Builder<'static>,
        file: &'fd File,
        offset: u64,
    ) -> Builder<'fd, Private, backing::Sealed> {
        request.from_sealed(file, offset)
    }
}

impl Fixed for SizeSealed {}
impl Fixed for Broadcast {}
impl Fixed for Sealed {}

impl Writable for Open {}
impl Writable for SizeSealed {}

impl Unsealed for Open {}
impl Unsealed for SizeSealed {}
impl Unsealed for Broadcast {}

/// The seals that keep the size.
pub(super) const SIZE: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// The seals that keep size and bytes.
pub(super) const ALL: SealFlags = SIZE.union(SealFlags::WRITE);

mod sealed {
    use mmarinus_sys::SealFlags;

    use super::{ALL, Broadcast, Open, SIZE, SizeSealed};

    #[expect(unnameable_types, reason = "the seal of `State`")]
    pub trait Sealed {
        /// The seals that the state consists of.
        const SEALS: SealFlags;

        /// The seals with which a file is not in that state any more.
        const BUT: SealFlags = SealFlags::empty();

        /// Whether nobody can punch holes, so that it is worth to look for them.
        const WHOLE: bool = false;

        /// Whether a file of huge pages can be in that state: only where a hole that somebody punches into it is no fault.
        const HUGE: bool = false;
    }

    impl Sealed for Open {
        const SEALS: SealFlags = SealFlags::empty();
        const BUT: SealFlags = ALL.union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);
        const HUGE: bool = true;
    }

    impl Sealed for SizeSealed {
        const SEALS: SealFlags = SIZE;
    }

    impl Sealed for Broadcast {
        const SEALS: SealFlags = SIZE.union(SealFlags::FUTURE_WRITE);
    }

    impl Sealed for super::Sealed {
        const SEALS: SealFlags = ALL;
        const WHOLE: bool = true;
        const HUGE: bool = true;
    }
}
