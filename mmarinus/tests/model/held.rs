//! A real map of any type that the model knows, behind one type, so that programs can hold rows of them.

use mmarinus::backing::{Anonymous, Backing, Exposed, File, Resizable, Sealed, Secret, SizeSealed};
use mmarinus::kind::Kind;
use mmarinus::perms::{self, MayRead, Permissions, Unknown};
use mmarinus::{Error, Fault, Immortal, Map, Private, ProtFlags, Shared, View};

use super::plain::Prot;

/// What was made, or why not and what came back.
pub(crate) type Made<T> = Result<T, (Error, Option<T>)>;

/// One map of two, or both as they were.
type Joined<T> = Result<T, (T, T)>;

/// What stays for ever, or why not and what came back.
type Kept<T> = Result<Box<dyn Reads>, (Error, Option<T>)>;

/// A map of a kind and a backing, with any permissions.
pub(crate) enum Held<K: Kind, B: Backing<K>> {
    None(Map<perms::None, K, B>),
    Read(Map<perms::Read, K, B>),
    Both(Map<perms::ReadWrite, K, B>),
    Unknown(Map<Unknown, K, B>),
}

/// A map of any type.
pub(crate) enum AnyMap {
    Anonymous(Held<Private, Anonymous>),
    SharedAnonymous(Held<Shared, Anonymous>),
    File(Held<Private, File>),
    SharedFile(Held<Shared, File>),
    Sealed(Held<Private, Sealed>),
    SharedSealed(Held<Shared, Sealed>),
    SizeSealed(Held<Private, SizeSealed>),
    SharedSizeSealed(Held<Shared, SizeSealed>),
    Exposed(Held<Private, Exposed>),
    SharedExposed(Held<Shared, Exposed>),
    Secret(Held<Shared, Secret>),
}

/// Does the same with a map whatever its permissions.
macro_rules! with_perms {
    ($held:expr, $map:ident => $do:expr) => {
        match $held {
            $crate::held::Held::None($map) => $do,
            $crate::held::Held::Read($map) => $do,
            $crate::held::Held::Both($map) => $do,
            $crate::held::Held::Unknown($map) => $do,
        }
    };
}
pub(crate) use with_perms;

/// Does the same with a map whatever its kind and backing.
macro_rules! with_type {
    ($any:expr, $held:ident => $do:expr) => {
        match $any {
            $crate::held::AnyMap::Anonymous($held) => $do,
            $crate::held::AnyMap::SharedAnonymous($held) => $do,
            $crate::held::AnyMap::File($held) => $do,
            $crate::held::AnyMap::SharedFile($held) => $do,
            $crate::held::AnyMap::Sealed($held) => $do,
            $crate::held::AnyMap::SharedSealed($held) => $do,
            $crate::held::AnyMap::SizeSealed($held) => $do,
            $crate::held::AnyMap::SharedSizeSealed($held) => $do,
            $crate::held::AnyMap::Exposed($held) => $do,
            $crate::held::AnyMap::SharedExposed($held) => $do,
            $crate::held::AnyMap::Secret($held) => $do,
        }
    };
}
pub(crate) use with_type;

macro_rules! from_held {
    ($($name:ident: $kind:ident, $backing:ident;)+) => {
        $(
            impl From<Held<$kind, $backing>> for AnyMap {
                fn from(held: Held<$kind, $backing>) -> Self {
                    Self::$name(held)
                }
            }
        )+
    };
}

from_held! {
    Anonymous: Private, Anonymous;
    SharedAnonymous: Shared, Anonymous;
    File: Private, File;
    SharedFile: Shared, File;
    Sealed: Private, Sealed;
    SharedSealed: Shared, Sealed;
    SizeSealed: Private, SizeSealed;
    SharedSizeSealed: Shared, SizeSealed;
    Exposed: Private, Exposed;
    SharedExposed: Shared, Exposed;
    Secret: Shared, Secret;
}

macro_rules! from_map {
    ($($name:ident: $perms:ty;)+) => {
        $(
            impl<K: Kind, B: Backing<K>> From<Map<$perms, K, B>> for Held<K, B> {
                fn from(map: Map<$perms, K, B>) -> Self {
                    Self::$name(map)
                }
            }
        )+
    };
}

from_map! {
    None: perms::None;
    Read: perms::Read;
    Both: perms::ReadWrite;
    Unknown: Unknown;
}

/// The flags that stand for permissions.
pub(crate) fn flags(prot: Prot) -> ProtFlags {
    match prot {
        Prot::None => ProtFlags::empty(),
        Prot::Read => ProtFlags::READ,
        Prot::Both => ProtFlags::READ | ProtFlags::WRITE,
    }
}

/// Ends a call with permissions, known by type or not, as `Result<Held, _>`.
macro_rules! call_with {
    ($prot:expr, $known:expr, $perms:ident => $call:expr) => {
        match ($prot, $known) {
            ($crate::plain::Prot::None, true) => {
                let $perms = mmarinus::perms::None;
                $call.map($crate::held::Held::from)
            }
            ($crate::plain::Prot::Read, true) => {
                let $perms = mmarinus::perms::Read;
                $call.map($crate::held::Held::from)
            }
            ($crate::plain::Prot::Both, true) => {
                let $perms = mmarinus::perms::ReadWrite;
                $call.map($crate::held::Held::from)
            }
            (prot, false) => {
                let $perms = mmarinus::perms::Unknown($crate::held::flags(prot));
                $call.map($crate::held::Held::from)
            }
        }
    };
}
pub(crate) use call_with;

/// What a call made, or what it gave back.
pub(crate) fn settle<M, T: From<M>>(made: Result<M, Error<M>>) -> Made<T> {
    made.map(T::from).map_err(given_back)
}

/// What an error gave back.
pub(crate) fn given_back<M, T: From<M>>(error: Error<M>) -> (Error, Option<T>) {
    let (error, map) = error.into_parts();
    (error, map.map(T::from))
}

/// The same for what holds it.
pub(crate) fn lift<T, U: From<T>>(made: Made<T>) -> Made<U> {
    made.map(U::from)
        .map_err(|(error, back)| (error, back.map(U::from)))
}

impl<K: Kind, B: Backing<K>> Held<K, B> {
    pub(crate) fn split(self, at: usize) -> Result<(Self, Self), (Error, Option<Self>)> {
        with_perms!(self, map => match map.split(at) {
            Ok((one, two)) => Ok((one.into(), two.into())),
            Err(error) => Err(given_back(error)),
        })
    }

    /// Two of different types are joined as maps whose permissions are only remembered.
    pub(crate) fn join(self, second: Self) -> Joined<Self> {
        fn both<P: Permissions, K: Kind, B: Backing<K>>(
            one: Map<P, K, B>,
            two: Map<P, K, B>,
        ) -> Joined<Held<K, B>>
        where
            Held<K, B>: From<Map<P, K, B>>,
        {
            match one.join(two) {
                Ok(map) => Ok(map.into()),
                Err(error) => {
                    let (one, two) = error.into_map().expect("both come back");
                    Err((one.into(), two.into()))
                }
            }
        }
        match (self, second) {
            (Self::None(one), Self::None(two)) => both(one, two),
            (Self::Read(one), Self::Read(two)) => both(one, two),
            (Self::Both(one), Self::Both(two)) => both(one, two),
            (one, two) => both(one.forget(), two.forget()),
        }
    }

    pub(crate) fn forget(self) -> Map<Unknown, K, B> {
        with_perms!(self, map => map.forget_permissions())
    }

    pub(crate) fn reprotect(self, prot: Prot, known: bool) -> Made<Self> {
        with_perms!(self, map => {
            call_with!(prot, known, perms => map.reprotect(perms)).map_err(given_back)
        })
    }

    pub(crate) fn move_to(self, address: usize) -> Made<Self> {
        with_perms!(self, map => settle(map.move_to(address)))
    }

    pub(crate) fn resize(self, len: usize) -> Made<Self>
    where
        B: Resizable<K>,
    {
        with_perms!(self, map => settle(map.resize(len)))
    }

    pub(crate) fn unmap(self) -> Result<(), (Error, Option<Self>)> {
        with_perms!(self, map => map.unmap().map_err(given_back))
    }

    /// Copies, if there is a way to try.
    pub(crate) fn read_at(&self, at: usize, bytes: &mut [u8]) -> Option<Result<(), Fault>> {
        match self {
            Self::None(_) => None,
            Self::Read(map) => Some(map.read_at(at, bytes)),
            Self::Both(map) => Some(map.read_at(at, bytes)),
            Self::Unknown(map) => Some(map.read_at(at, bytes)),
        }
    }

    pub(crate) fn seal(self) -> Kept<Self> {
        match self {
            Self::Read(map) => sealed(map),
            Self::Both(map) => sealed(map),
            other => sealed(other.forget()),
        }
    }
}

fn sealed<P: MayRead, K: Kind, B: Backing<K>>(map: Map<P, K, B>) -> Kept<Held<K, B>>
where
    Held<K, B>: From<Map<P, K, B>>,
{
    match map.mseal() {
        Ok(immortal) => Ok(Box::new(immortal)),
        Err(error) => Err(given_back(error)),
    }
}

/// What is never unmapped, and still read.
pub(crate) trait Reads {
    /// The first address.
    fn addr(&self) -> usize;

    /// Copies.
    fn read_at(&self, at: usize, bytes: &mut [u8]) -> Result<(), Fault>;
}

impl<P: MayRead, K: Kind, B: Backing<K>> Reads for Immortal<P, K, B> {
    fn addr(&self) -> usize {
        (**self).addr()
    }

    fn read_at(&self, at: usize, bytes: &mut [u8]) -> Result<(), Fault> {
        (**self).read_at(at, bytes)
    }
}

impl<P: MayRead, K: Kind, B: Backing<K>> Reads for View<'static, P, K, B> {
    fn addr(&self) -> usize {
        Self::addr(self)
    }

    fn read_at(&self, at: usize, bytes: &mut [u8]) -> Result<(), Fault> {
        Self::read_at(self, at, bytes)
    }
}

impl Reads for &'static [u8] {
    fn addr(&self) -> usize {
        self.as_ptr().addr()
    }

    fn read_at(&self, at: usize, bytes: &mut [u8]) -> Result<(), Fault> {
        bytes.copy_from_slice(&self[at..at + bytes.len()]);
        Ok(())
    }
}

impl Reads for &'static mut [u8] {
    fn addr(&self) -> usize {
        self.as_ptr().addr()
    }

    fn read_at(&self, at: usize, bytes: &mut [u8]) -> Result<(), Fault> {
        bytes.copy_from_slice(&self[at..at + bytes.len()]);
        Ok(())
    }
}

impl AnyMap {
    /// Leaves the map in place for ever.
    pub(crate) fn leak(self) -> Box<dyn Reads> {
        match self {
            Self::Anonymous(Held::Both(map)) => Box::new(map.leak()),
            Self::Anonymous(Held::Read(map)) => Box::new(map.leak()),
            Self::Sealed(Held::Read(map)) => Box::new(map.leak()),
            Self::Secret(Held::Both(map)) => Box::new(map.leak()),
            other => with_type!(other, held => Box::new(held.forget().leak())),
        }
    }
}
