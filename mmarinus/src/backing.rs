//! What stands behind the pages of a map, so who else can change or remove them; and the traits that carry the soundness.
//!
//! | backing | how one gets it | `Private` | `Shared` |
//! | --- | --- | --- | --- |
//! | [`Anonymous`] | `.anonymously()` | slices | atomics |
//! | [`Sealed`] | `.from_sealed(&memfd, offset)` | slices | slices, read only |
//! | [`Secret`] | `.secret()` | – | slices |
//! | [`SizeSealed`] | `.from_size_sealed(&memfd, offset)` | atomics | atomics |
//! | [`Stable`] | `unsafe { map.assume_stable() }` | slices | slices |
//! | [`Present`] | `unsafe { map.assume_present() }` | atomics | atomics |
//! | [`Exposed`] | `map.expose()` | atomics | atomics |
//! | [`Droppable`] | `.droppable()` | atomics | – |
//! | [`File`] | `.from(&file, offset)` | copies | copies |
//! | [`Device`] | `.from_device(&fd, offset)` | copies out | copies out |
//! | [`Supplied`] | `map.supply_pages()` | slices | – |
//! | [`Paged`] | `map.page_by(&uffd, modes)` | copies | copies |
//!
//! What a forked child, a new program (`exec`) and a core dump get of each:
//!
//! | backing | forked child, `Private` | forked child, `Shared` | core dump |
//! | --- | --- | --- | --- |
//! | [`Anonymous`], [`Exposed`] | a copy | the same pages | both kinds |
//! | [`Droppable`] | zeros | – | nothing |
//! | [`File`], [`Stable`], [`Present`] | a copy of what was written | the same pages | what was written privately |
//! | [`Sealed`], [`SizeSealed`] | as a file | the same pages | as a file; `Shared` too: memory files have no name |
//! | [`Secret`] | – | nothing is mapped there | nothing |
//! | [`Device`] | as its driver says | as its driver says | nothing of device memory |
//! | [`Supplied`] | a copy of what is there, else zeros | – | what is there |
//! | [`Paged`] | a copy of what is there, else zeros or the file | the same pages | what is there |
//!
//! `exec` unmaps all of them. `.dont_fork()` leaves a hole in the child, `.wipe_on_fork()` zeros;
//! [`Advice::DONTDUMP`](crate::Advice::DONTDUMP) keeps any map out of core dumps. What is dumped of the rest is the
//! default of `/proc/PID/coredump_filter`, which can say otherwise; huge pages have bits of their own there (`Private` are
//! dumped). A child's copy of atomics or of a lock is a lock of its own; and a child of a process with several threads has
//! only one, so locks that others held there are held for ever.
//!
//! The four traits [`NoFault`], [`Concurrent`], [`NoRace`] and [`Unsliced`] say it of each pair of backing and kind. No pair
//! is both `Concurrent` and `NoRace`: with both, two safe calls would give `&[u8]` and `&[AtomicU8]` over the same bytes.
#![expect(unsafe_code, reason = "the unsafe marker traits are implemented here")]

use core::fmt::Debug;

use crate::kind::{Kind, Private, Shared};

/// Memory of no file: zeroed pages that belong to this process alone (`Private`) or also to its forked children (`Shared`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Anonymous;

/// A regular file or a block device, which anybody may write or truncate at any moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct File;

/// A memory file whose seals prove that its bytes and its size never change again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sealed;

/// A memory file whose seals prove that it never gets shorter; others may write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SizeSealed;

/// Any other file descriptor, whose driver decides what the pages are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Device;

/// A file that nobody else writes or truncates, by the promise of [`Map::assume_stable`](crate::Map::assume_stable).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stable;

/// Pages that are there and stay there, which others may write, by the promise of
/// [`Map::assume_present`](crate::Map::assume_present).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Present;

/// Pages that a guest, a device or the kernel writes from now on, by [`Map::expose`](crate::Map::expose).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Exposed;

/// Memory of no file that the kernel may turn to zeros at any moment, page by page: `MAP_DROPPABLE`. `Private` only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Droppable;

/// Memory that the kernel itself does not see, of a memory file of `memfd_secret` that nobody has but the map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Secret;

/// Memory of no file whose pages are brought in when they are first touched, and never change by themselves from then on; lent
/// by a `supply::Supply`, which owns the userfaultfd. `Private` only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Supplied;

/// Pages that a userfaultfd brings in, whose holder may answer when it likes, or never, by
/// [`Map::page_by`](crate::Map::page_by).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Paged;

/// What stands behind the pages of a map of kind `K`.
///
/// Sealed: who else can reach the pages is for this crate to prove.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand behind a `{K}` map",
    label = "not a backing of a `{K}` map",
    note = "a builder says what it maps with `.anonymously()`, `.from(&file, offset)`, `.from_device(&fd, offset)` or \
            `.from_source(&source, offset)` before `.with(perms)`"
)]
pub trait Backing<K: Kind>:
    sealed::Sealed<K> + Copy + Default + Debug + Eq + Send + Sync + Unpin + 'static
{
}

/// An access inside the map never faults.
///
/// # Safety
///
/// For whoever implements it: every page of such a map is there as long as the map lives, whatever safe code or another process
/// does; what is outside of that promise is listed in `SAFETY.md`.
#[diagnostic::on_unimplemented(
    message = "touching a `{K}` map of a `{Self}` can fault",
    note = "a file may be truncated at any moment, and touching what is gone is SIGBUS",
    note = "`read_at`, `write_at` and `view` copy instead, and give an error where the pages are gone",
    note = "for files and devices, `unsafe {{ map.assume_present() }}` promises that they stay"
)]
pub unsafe trait NoFault<K: Kind>: Backing<K> {}

/// An access never faults, and others may be writing at the same time: atomics through `&self`, never slices.
///
/// # Safety
///
/// For whoever implements it: as for [`NoFault`]; and the pair is not [`NoRace`].
#[diagnostic::on_unimplemented(
    message = "there are no atomics through `&self` on a `{K}` map of `{Self}`",
    label = "not memory that is shared without faults",
    note = "memory that nobody else changes gives slices, and `atomics_mut` through `&mut self`",
    note = "`map.expose()` turns it into memory that others write",
    note = "for files and devices, `unsafe {{ map.assume_present() }}` does",
    note = "`read_at`, `write_at` and `view` copy from any map"
)]
pub unsafe trait Concurrent<K: Kind>: NoFault<K> {}

/// An access never faults, and nobody else ever changes the bytes: slices, never atomics through `&self`.
///
/// # Safety
///
/// For whoever implements it: as for [`NoFault`]; and as long as the map lives, its bytes change only through the map itself.
#[diagnostic::on_unimplemented(
    message = "there is no slice of a `{K}` map of `{Self}`: others may change or remove its bytes",
    label = "not memory that nobody else changes",
    note = "a slice promises bytes that nobody else changes; files can be written and truncated, shared memory is shared",
    note = "`read_at`, `write_at`, `read_obj` and `view` copy, and turn a fault into an error",
    note = "`atomics` and `observe` give shared memory without data races, where the pages cannot vanish",
    note = "for a file, `unsafe {{ map.assume_stable() }}` promises that nobody else writes or truncates it"
)]
pub unsafe trait NoRace<K: Kind>: NoFault<K> {}

/// Every pair that is not [`NoRace`]: since no slice exists, bytes may be written through a [`View`](crate::View) and `&self`.
///
/// # Safety
///
/// For whoever implements it: the pair is not [`NoRace`].
#[diagnostic::on_unimplemented(
    message = "a `{K}` map of `{Self}` is not written through a shared view",
    note = "it has slices, so writing needs `&mut`: `as_mut_slice`, or `write_at` on the map"
)]
pub unsafe trait Unsliced<K: Kind>: Backing<K> {}

/// Safe code may write the bytes: every backing but [`Device`].
#[diagnostic::on_unimplemented(
    message = "safe code does not write a `{K}` map of `{Self}`",
    note = "what is written to a device may make the kernel or the hardware write anywhere",
    note = "`unsafe {{ map.write_device_at(offset, bytes) }}` writes where that is known to be harmless"
)]
pub trait Written<K: Kind>: Backing<K> {}

/// What stands behind a [`Mirror`](crate::Mirror) that has copies and atomics, and no slices: [`SizeSealed`] and [`Exposed`].
///
/// # Safety
///
/// For whoever implements it: no mirror of this backing ever gives a slice.
#[diagnostic::on_unimplemented(
    message = "a mirror of `{Self}` has slices, and neither views nor atomics",
    note = "`mirror.expose()` turns it into memory that others write"
)]
pub unsafe trait Mirrored: Concurrent<Shared> + Unsliced<Shared> + Written<Shared> {}

/// The kernel makes new pages when a map of it grows: private anonymous memory, droppable or not, and files, whose copies are
/// checked.
///
/// # Safety
///
/// For whoever implements it: new pages behind such a map are all that the other traits say of the pair.
/// `GROWS_FROM_NOTHING` is true only for private memory of no file.
#[diagnostic::on_unimplemented(
    message = "a `{K}` map of `{Self}` does not change its length",
    note = "what stands behind it keeps its size, and touching pages past that is SIGBUS; map the larger object anew"
)]
pub unsafe trait Resizable<K: Kind>: Backing<K> {
    /// Whether an empty map can grow, of which nothing is left but its type.
    const GROWS_FROM_NOTHING: bool;
}

/// Pages can be given back, and are zeroed: anonymous memory, also when it is exposed.
#[diagnostic::on_unimplemented(
    message = "the pages of a `{K}` map of `{Self}` are not given back to zeros",
    note = "for a file, `revert` drops what was written privately, and `punch_hole` frees its blocks"
)]
pub trait Discardable<K: Kind>: Backing<K> {
    /// Whether the type says that it is memory of no file; else the map is asked.
    const ANONYMOUS: bool;
}

/// Memory of no file, which can have a name.
#[diagnostic::on_unimplemented(
    message = "a `{K}` map of `{Self}` has no name of its own",
    note = "only memory of no file can be named; a map of a file shows the file's path"
)]
pub trait Nameable<K: Kind>: Backing<K> {}

/// What stands behind the map is a file, to which its pages can be written back.
#[diagnostic::on_unimplemented(
    message = "nothing can be written back from a `{K}` map of `{Self}`",
    note = "only shared maps of files are: writing back memory of no file, or private memory, makes nothing durable"
)]
pub trait Syncable<K: Kind>: Backing<K> {}

/// The same pages may be mapped twice: shared maps without slices, and files that nobody writes any more.
#[diagnostic::on_unimplemented(
    message = "a `{K}` map of `{Self}` is not mapped twice",
    label = "has no second address",
    note = "private pages belong to one map, and two maps of one object that have slices could write under each other",
    note = "shared maps without slices have twins, and shared maps of sealed memory files"
)]
pub trait Duplicable<K: Kind>: Backing<K> {}

/// What was written to a private map is kept beside the object behind it, and can be dropped: the object shows again.
#[diagnostic::on_unimplemented(
    message = "a `{K}` map of `{Self}` does not go back to what stands behind it",
    label = "keeps nothing beside its object",
    note = "only private maps of files do; memory of no file is given back to zeros by `discard`"
)]
pub trait Revertible<K: Kind>: Backing<K> {}

/// What is placed in a [`Reservation`](crate::Reservation) by mapping it elsewhere and moving it there: files and memory of no
/// file.
#[diagnostic::on_unimplemented(
    message = "the pages of a `{Self}` are not placed by moving them",
    note = "a driver may tie its pages to their address; `place_in_place` maps a device directly"
)]
pub trait Placeable: Backing<Private> + Backing<Shared> {}

impl Placeable for Anonymous {}
impl Placeable for File {}

impl<K: Kind> Backing<K> for Anonymous {}
impl<K: Kind> Backing<K> for File {}
impl<K: Kind> Backing<K> for Device {}
impl<K: Kind> Backing<K> for Sealed {}
impl<K: Kind> Backing<K> for SizeSealed {}
impl Backing<Shared> for Secret {}
impl<K: Kind> Backing<K> for Stable {}
impl<K: Kind> Backing<K> for Present {}
impl<K: Kind> Backing<K> for Exposed {}
impl<K: Kind> Backing<K> for Paged {}
#[diagnostic::do_not_recommend]
impl Backing<Private> for Droppable {}
#[diagnostic::do_not_recommend]
impl Backing<Private> for Supplied {}

// SAFETY: the kernel makes the pages of anonymous memory when they are touched; shared memory without a reservation, where it may
// fail to, is refused by the builder.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> NoFault<K> for Anonymous {}
// SAFETY: the seals keep the file as long as it was when the map was made within it, and as none of them can be punched into
// a hole, all its pages are there since they were read.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> NoFault<K> for Sealed {}
// SAFETY: the seal keeps the file as long as it was when the map was made within it; a hole gets a page when it is touched, since
// memory may be overcommitted.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> NoFault<K> for SizeSealed {}
// SAFETY: the file is as long as the map, nobody can make it shorter, since its only descriptor was closed, and all its pages are
// there since the map was made: they are not reclaimed.
#[diagnostic::do_not_recommend]
unsafe impl NoFault<Shared> for Secret {}
// SAFETY: the caller of `assume_stable` promises that the file reaches the end of the map, with its blocks allocated.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> NoFault<K> for Stable {}
// SAFETY: the caller of `assume_present` promises the same.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> NoFault<K> for Present {}
// SAFETY: only maps that were `NoFault` become exposed, and exposing takes no page away.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> NoFault<K> for Exposed {}
// SAFETY: a page that the kernel dropped is made anew, of zeros, when it is touched.
#[diagnostic::do_not_recommend]
unsafe impl NoFault<Private> for Droppable {}

// SAFETY: who touches a missing page waits until it is there: the userfaultfd was not asked to make signals of faults, does not
// poison, and pages are never taken away. Once nobody is left to bring them in, the kernel makes them, of zeros.
#[diagnostic::do_not_recommend]
unsafe impl NoFault<Private> for Supplied {}

// SAFETY: `NoFault` above; shared anonymous memory is not `NoRace`, as forked children write it.
#[diagnostic::do_not_recommend]
unsafe impl Concurrent<Shared> for Anonymous {}
// SAFETY: `NoFault` above; not `NoRace`.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> Concurrent<K> for SizeSealed {}
// SAFETY: `NoFault` above; not `NoRace`.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> Concurrent<K> for Present {}
// SAFETY: `NoFault` above; not `NoRace`.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> Concurrent<K> for Exposed {}
// SAFETY: `NoFault` above; not `NoRace`, as the kernel zeroes pages.
#[diagnostic::do_not_recommend]
unsafe impl Concurrent<Private> for Droppable {}

// SAFETY: `NoFault` above; private anonymous memory is reached through this map alone, a forked child gets a copy.
#[diagnostic::do_not_recommend]
unsafe impl NoRace<Private> for Anonymous {}
// SAFETY: `NoFault` above; nobody writes a file with the seal `WRITE`, and a private map keeps its writes to itself.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> NoRace<K> for Sealed {}
// SAFETY: `NoFault` above; nobody has the file but the map, no forked child gets the map, and the kernel does not copy from or
// to it.
#[diagnostic::do_not_recommend]
unsafe impl NoRace<Shared> for Secret {}
// SAFETY: `NoFault` above; the caller of `assume_stable` promises that nobody else writes the file.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> NoRace<K> for Stable {}
// SAFETY: `NoFault` above; what a page holds is decided once, before the first access to it ends, since the kernel only brings in
// pages that are missing, whole ones, and a page that is there never gets missing: the map is lent by `&` alone, through which
// no page is given back or moved. Nobody else reaches it; a forked child has its own copy.
#[diagnostic::do_not_recommend]
unsafe impl NoRace<Private> for Supplied {}

// SAFETY: shared anonymous memory is not `NoRace`.
#[diagnostic::do_not_recommend]
unsafe impl Unsliced<Shared> for Anonymous {}
// SAFETY: not `NoRace`, for either kind.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> Unsliced<K> for File {}
// SAFETY: not `NoRace`, for either kind.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> Unsliced<K> for SizeSealed {}
// SAFETY: not `NoRace`, for either kind.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> Unsliced<K> for Device {}
// SAFETY: not `NoRace`, for either kind.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> Unsliced<K> for Present {}
// SAFETY: not `NoRace`, for either kind.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> Unsliced<K> for Exposed {}
// SAFETY: not `NoRace`.
#[diagnostic::do_not_recommend]
unsafe impl Unsliced<Private> for Droppable {}
// SAFETY: not `NoRace`, for either kind.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> Unsliced<K> for Paged {}

// SAFETY: slices are made of mirrors of `Anonymous` alone.
unsafe impl Mirrored for SizeSealed {}
// SAFETY: as above.
unsafe impl Mirrored for Exposed {}

// SAFETY: the kernel gives new zeroed pages, which are this map's alone.
#[diagnostic::do_not_recommend]
unsafe impl Resizable<Private> for Anonymous {
    const GROWS_FROM_NOTHING: bool = true;
}
// SAFETY: the kernel gives new zeroed pages, which it may drop as well.
#[diagnostic::do_not_recommend]
unsafe impl Resizable<Private> for Droppable {
    const GROWS_FROM_NOTHING: bool = true;
}
// SAFETY: of a file nothing is said that more of it could make untrue.
#[diagnostic::do_not_recommend]
unsafe impl<K: Kind> Resizable<K> for File {
    const GROWS_FROM_NOTHING: bool = false;
}

#[diagnostic::do_not_recommend]
impl<K: Kind> Discardable<K> for Anonymous {
    const ANONYMOUS: bool = true;
}
#[diagnostic::do_not_recommend]
impl<K: Kind> Discardable<K> for Exposed {
    const ANONYMOUS: bool = false;
}
#[diagnostic::do_not_recommend]
impl<K: Kind> Discardable<K> for Paged {
    const ANONYMOUS: bool = false;
}
#[diagnostic::do_not_recommend]
impl Discardable<Private> for Droppable {
    const ANONYMOUS: bool = true;
}

#[diagnostic::do_not_recommend]
impl<K: Kind> Nameable<K> for Anonymous {}
#[diagnostic::do_not_recommend]
impl<K: Kind> Nameable<K> for Exposed {}
#[diagnostic::do_not_recommend]
impl Nameable<Private> for Droppable {}

#[diagnostic::do_not_recommend]
impl<B: Unsliced<Shared>> Duplicable<Shared> for B {}
#[diagnostic::do_not_recommend]
impl Duplicable<Shared> for Sealed {}

#[diagnostic::do_not_recommend]
impl Revertible<Private> for File {}
#[diagnostic::do_not_recommend]
impl Revertible<Private> for Sealed {}
#[diagnostic::do_not_recommend]
impl Revertible<Private> for SizeSealed {}
#[diagnostic::do_not_recommend]
impl Revertible<Private> for Stable {}

#[diagnostic::do_not_recommend]
impl Syncable<Shared> for File {}
#[diagnostic::do_not_recommend]
impl Syncable<Shared> for Stable {}
#[diagnostic::do_not_recommend]
impl Syncable<Shared> for Present {}

impl<K: Kind> Written<K> for Anonymous {}
impl<K: Kind> Written<K> for File {}
#[diagnostic::do_not_recommend]
impl<K: Kind> Written<K> for Sealed {}
#[diagnostic::do_not_recommend]
impl<K: Kind> Written<K> for SizeSealed {}
#[diagnostic::do_not_recommend]
impl Written<Shared> for Secret {}
impl<K: Kind> Written<K> for Stable {}
impl<K: Kind> Written<K> for Present {}
impl<K: Kind> Written<K> for Exposed {}
#[diagnostic::do_not_recommend]
impl<K: Kind> Written<K> for Paged {}
#[diagnostic::do_not_recommend]
impl Written<Private> for Droppable {}
#[diagnostic::do_not_recommend]
impl Written<Private> for Supplied {}

mod sealed {
    use mmarinus_sys::MapFlags;

    use super::{
        Anonymous, Device, Droppable, Exposed, File, Kind, Present, Private, Secret, Shared,
        SizeSealed, Stable, Supplied,
    };
    use crate::copy::Access;
    use crate::leak::FromLeaked;
    use crate::perms::Permissions;
    use crate::view::View;

    #[expect(unnameable_types, reason = "the seal of `Backing`")]
    pub trait Sealed<K: Kind> {
        /// How bytes are copied: `Plain` only where the pair is `NoRace`, `Racy` only where it is `NoFault`.
        const ACCESS: Access;

        /// What [`Map::leak`](crate::Map::leak) gives: a slice only where the pair is `NoRace`.
        type Leaked<P: Permissions>: FromLeaked;

        /// The type of private pages of no file that are made when an empty map grows.
        const NEW_PAGES: MapFlags = MapFlags::PRIVATE;
    }

    impl<K: Kind> Sealed<K> for Anonymous {
        const ACCESS: Access = if K::SHARED {
            Access::Racy
        } else {
            Access::Plain
        };
        type Leaked<P: Permissions> =
            K::Choose<P::Leaked<View<'static, P, K, Self>>, View<'static, P, K, Self>>;
    }

    impl<K: Kind> Sealed<K> for super::Sealed {
        const ACCESS: Access = Access::Plain;
        type Leaked<P: Permissions> = P::Leaked<View<'static, P, K, Self>>;
    }

    impl Sealed<Shared> for Secret {
        const ACCESS: Access = Access::Plain;
        type Leaked<P: Permissions> = P::Leaked<View<'static, P, Shared, Self>>;
    }

    impl<K: Kind> Sealed<K> for SizeSealed {
        const ACCESS: Access = Access::Racy;
        type Leaked<P: Permissions> = View<'static, P, K, Self>;
    }

    impl<K: Kind> Sealed<K> for Stable {
        const ACCESS: Access = Access::Plain;
        type Leaked<P: Permissions> = P::Leaked<View<'static, P, K, Self>>;
    }

    impl<K: Kind> Sealed<K> for Present {
        const ACCESS: Access = Access::Racy;
        type Leaked<P: Permissions> = View<'static, P, K, Self>;
    }

    impl<K: Kind> Sealed<K> for Exposed {
        const ACCESS: Access = Access::Racy;
        type Leaked<P: Permissions> = View<'static, P, K, Self>;
    }

    impl Sealed<Private> for Droppable {
        const ACCESS: Access = Access::Racy;
        const NEW_PAGES: MapFlags = MapFlags::DROPPABLE;
        type Leaked<P: Permissions> = View<'static, P, Private, Self>;
    }

    impl Sealed<Private> for Supplied {
        const ACCESS: Access = Access::Plain;
        type Leaked<P: Permissions> = P::Leaked<View<'static, P, Private, Self>>;
    }

    impl<K: Kind> Sealed<K> for File {
        const ACCESS: Access = Access::Kernel;
        type Leaked<P: Permissions> = View<'static, P, K, Self>;
    }

    impl<K: Kind> Sealed<K> for super::Paged {
        const ACCESS: Access = Access::Kernel;
        type Leaked<P: Permissions> = View<'static, P, K, Self>;
    }

    impl<K: Kind> Sealed<K> for Device {
        const ACCESS: Access = Access::Device;
        type Leaked<P: Permissions> = View<'static, P, K, Self>;
    }
}
