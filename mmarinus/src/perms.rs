//! Permissions of a map as types: what the page tables allow, and the traits that follow from it.
//!
//! Eight permissions are *known*: the type says them. [`Unknown`] is decided at run time; it is remembered, checked before each
//! copy, and unlocks nothing else.

use core::fmt::Debug;

use mmarinus_sys::ProtFlags;

use crate::leak::FromLeaked;

/// What the pages of a map allow: one of the types of this module.
///
/// Sealed: the kernel knows no others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of permissions",
    note = "permissions are the types of `mmarinus::perms`, such as `perms::Read` and `perms::ReadWrite`"
)]
pub trait Permissions: sealed::Sealed + Copy + Debug + Eq + Send + Sync + Unpin + 'static {
    /// The `PROT_*` flags that these permissions stand for.
    fn flags(self) -> ProtFlags;
}

/// Permissions that the type alone says: all but [`Unknown`].
#[diagnostic::on_unimplemented(
    message = "the permissions `{Self}` are only known at run time",
    note = "give the map a known type again with `.reprotect(perms::Read)`"
)]
pub trait Known: Permissions + Default {
    /// The `PROT_*` flags that these permissions stand for.
    const FLAGS: ProtFlags;
}

/// Permissions that include `PROT_READ`.
#[diagnostic::on_unimplemented(
    message = "a map with the permissions `{Self}` is not known to be readable",
    label = "needs permissions that include reading",
    note = "`.reprotect(perms::Read)` or `.reprotect(perms::ReadWrite)` makes it readable"
)]
pub trait Readable: Known {}

/// Permissions that include `PROT_WRITE`.
#[diagnostic::on_unimplemented(
    message = "a map with the permissions `{Self}` is not known to be writable",
    label = "needs permissions that include writing",
    note = "`.reprotect(perms::ReadWrite)` makes it writable"
)]
pub trait Writable: Known {}

/// Permissions that include `PROT_EXEC`.
#[diagnostic::on_unimplemented(
    message = "a map with the permissions `{Self}` is not known to be executable",
    note = "`.reprotect(perms::ReadExecute)` makes it executable"
)]
pub trait Executable: Known {}

/// Permissions under which a copy out of the map may be tried: [`Readable`] by type, or [`Unknown`], which is asked when it runs.
#[diagnostic::on_unimplemented(
    message = "a map with the permissions `{Self}` cannot be read",
    label = "needs permissions that include reading",
    note = "`.reprotect(perms::Read)` or `.reprotect(perms::ReadWrite)` makes it readable"
)]
pub trait MayRead: Permissions {
    /// Whether these permissions include `PROT_READ`.
    fn may_read(self) -> bool;
}

/// Permissions under which a copy into the map may be tried: [`Writable`] by type, or [`Unknown`], which is asked when it runs.
#[diagnostic::on_unimplemented(
    message = "a map with the permissions `{Self}` cannot be written",
    label = "needs permissions that include writing",
    note = "`.reprotect(perms::ReadWrite)` makes it writable"
)]
pub trait MayWrite: Permissions {
    /// Whether these permissions include `PROT_WRITE`.
    fn may_write(self) -> bool;
}

#[diagnostic::do_not_recommend]
impl<P: Readable> MayRead for P {
    #[inline]
    fn may_read(self) -> bool {
        true
    }
}

#[diagnostic::do_not_recommend]
impl<P: Writable> MayWrite for P {
    #[inline]
    fn may_write(self) -> bool {
        true
    }
}

/// No access at all: `PROT_NONE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct None;

/// Reading: `PROT_READ`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Read;

/// Writing: `PROT_WRITE`. Most CPUs then allow reading as well; the type does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Write;

/// Executing: `PROT_EXEC`. Many CPUs then allow reading as well; the type does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Execute;

/// Reading and writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReadWrite;

/// Reading and executing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReadExecute;

/// Writing and executing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WriteExecute;

/// Reading, writing and executing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReadWriteExecute;

/// Permissions that were decided at run time: remembered, checked before each copy, and no key to slices or atomics.
///
/// Only `READ`, `WRITE` and `EXEC` (and `BTI` on aarch64) can be asked for; other bits are refused with `EINVAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unknown(pub ProtFlags);

impl Permissions for Unknown {
    #[inline]
    fn flags(self) -> ProtFlags {
        self.0
    }
}

#[diagnostic::do_not_recommend]
impl MayRead for Unknown {
    #[inline]
    fn may_read(self) -> bool {
        self.0.contains(ProtFlags::READ)
    }
}

#[diagnostic::do_not_recommend]
impl MayWrite for Unknown {
    #[inline]
    fn may_write(self) -> bool {
        self.0.contains(ProtFlags::WRITE)
    }
}

/// The permissions that [`Unknown`] may hold.
pub(crate) const ASKABLE: ProtFlags = {
    let rwx = ProtFlags::READ
        .union(ProtFlags::WRITE)
        .union(ProtFlags::EXEC);
    #[cfg(target_arch = "aarch64")]
    let rwx = rwx.union(ProtFlags::BTI);
    rwx
};

/// Says the flags of a known set of permissions, and which capability traits it has.
macro_rules! known {
    ($name:ident, $flags:expr, $slice:ty, [$($capability:ident),*]) => {
        impl Permissions for $name {
            #[inline]
            fn flags(self) -> ProtFlags {
                Self::FLAGS
            }
        }
        impl Known for $name {
            const FLAGS: ProtFlags = $flags;
        }
        impl sealed::Sealed for $name {
            type Leaked<V: FromLeaked> = $slice;

            #[inline]
            fn remembered(_: ProtFlags) -> Self {
                Self
            }
        }
        $(#[diagnostic::do_not_recommend]
        impl $capability for $name {})*
    };
}

known!(None, ProtFlags::empty(), V, []);
known!(Read, ProtFlags::READ, &'static [u8], [Readable]);
known!(Write, ProtFlags::WRITE, V, [Writable]);
known!(Execute, ProtFlags::EXEC, V, [Executable]);
known!(
    ReadWrite,
    ProtFlags::READ.union(ProtFlags::WRITE),
    &'static mut [u8],
    [Readable, Writable]
);
known!(
    ReadExecute,
    ProtFlags::READ.union(ProtFlags::EXEC),
    &'static [u8],
    [Readable, Executable]
);
known!(
    WriteExecute,
    ProtFlags::WRITE.union(ProtFlags::EXEC),
    V,
    [Writable, Executable]
);
known!(
    ReadWriteExecute,
    ProtFlags::READ
        .union(ProtFlags::WRITE)
        .union(ProtFlags::EXEC),
    &'static mut [u8],
    [Readable, Writable, Executable]
);

impl sealed::Sealed for Unknown {
    type Leaked<V: FromLeaked> = V;

    #[inline]
    fn remembered(flags: ProtFlags) -> Self {
        Self(flags)
    }
}

mod sealed {
    use super::{FromLeaked, ProtFlags};

    #[expect(unnameable_types, reason = "the seal of `Permissions`")]
    pub trait Sealed {
        /// What is left of a leaked map whose bytes nobody else changes: a slice where the permissions allow one, else `V`.
        type Leaked<V: FromLeaked>: FromLeaked;

        /// These permissions, of a map whose flags are remembered.
        fn remembered(flags: ProtFlags) -> Self;
    }
}
