//! How a map is asked for: the builder, and the places where the map may go.

mod options;
mod origin;
mod plain;
mod prepare;

use core::fmt::Debug;
use core::marker::PhantomData;

use crate::kind::Private;
use crate::map::Map;
use crate::perms;
use crate::source::Source;

pub use crate::remap_in_place::InPlace;
pub(crate) use options::Fork;
use options::Options;
pub use origin::NoFile;
use origin::{Memory, Origin};
pub(crate) use prepare::{Prepared, populated};

/// A map that is being asked for. Nothing is mapped before [`with`](Self::with).
///
/// Made by [`Map::bytes`], [`Map::whole`] and [`Map::remap`]. A source must be named: `.anonymously()`, `.from(&file, offset)`,
/// `.from_device(&fd, offset)` or `.from_source(&source, offset)`. All else has a default: the kernel chooses the address,
/// the kind is [`Private`].
///
/// `A` is where the map goes: [`New`] (a free place), [`Onto`] (over something that the caller owns) or [`Over`] (over a map).
#[derive(Debug)]
#[must_use = "nothing is mapped before `.with(perms)`"]
pub struct Builder<'fd, K = Private, B = Unset, A = New> {
    /// Bytes asked for.
    pub(crate) size: usize,
    /// The offset in the source of the first asked byte.
    pub(crate) offset: u64,
    origin: Origin<'fd>,
    options: Options,
    pub(crate) place: A,
    parameters: PhantomData<(K, B)>,
}

/// No source has been named yet.
#[derive(Clone, Copy, Debug)]
pub struct Unset;

/// A free place: the kernel's choice, near an address, or exactly at one.
#[derive(Clone, Copy, Debug)]
pub struct New {
    pub(crate) address: usize,
    pub(crate) exactly: bool,
}

/// An address range that the caller owns and gives away.
#[derive(Clone, Copy, Debug)]
pub struct Onto {
    pub(crate) address: usize,
}

/// The place of a map, which is given back if it cannot be replaced.
#[derive(Debug)]
pub struct Over<M> {
    pub(crate) old: M,
}

/// In one concrete impl, so that `Map::bytes` needs no annotation.
impl Map<perms::None> {
    /// Asks for a map of `size` bytes.
    ///
    /// With a size of 0 the map is empty: no system call is made, and the address is dangling.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let map = Map::bytes(1 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
    /// assert_eq!(map.len(), 1 << 20);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    #[inline]
    pub fn bytes(size: usize) -> Builder<'static> {
        Builder::new(
            size,
            New {
                address: 0,
                exactly: false,
            },
        )
    }

    /// Asks for a map of all of a source, as long as it was when it was looked at.
    ///
    /// # Examples
    ///
    /// See [`Source`].
    #[inline]
    pub fn whole<'fd, B>(source: &Source<'fd, B>) -> Builder<'fd, Private, B> {
        let size = usize::try_from(source.len()).unwrap_or(usize::MAX);
        Self::bytes(size).from_source(source, 0)
    }
}

impl<A> Builder<'static, Private, Unset, A> {
    /// A request without options.
    #[inline]
    pub(crate) fn new(size: usize, place: A) -> Self {
        Self {
            size,
            offset: 0,
            origin: Origin::Anonymous(Memory::PLAIN),
            options: Options::NONE,
            place,
            parameters: PhantomData,
        }
    }
}

impl<'fd, K, B> Builder<'fd, K, B, New> {
    /// The kernel chooses the address.
    #[inline]
    pub fn anywhere(self) -> Self {
        self.near(0)
    }

    /// The kernel chooses the address, at `address` or elsewhere: a hint. It never replaces anything.
    ///
    /// On CPUs with 57-bit addresses, an `address` of 2^47 or more lets the kernel choose one above that.
    #[inline]
    pub fn near(self, address: usize) -> Self {
        Self {
            place: New {
                address,
                exactly: false,
            },
            ..self
        }
    }

    /// The first byte goes exactly to `address`, if nothing is there.
    ///
    /// Too near below the main thread's stack, or below `vm.mmap_min_addr`, counts as taken.
    ///
    /// The address must agree with the offset in the file modulo the page size; so without a file, or at an offset where a page
    /// starts, it is a multiple of the page size. Page 0 is refused.
    #[inline]
    pub fn at(self, address: usize) -> Self {
        Self {
            place: New {
                address,
                exactly: true,
            },
            ..self
        }
    }

    /// Puts a guard right before and one right behind the map: a page each that nobody may touch, so that whoever runs past an
    /// end, `unsafe` code or a device, faults (SIGSEGV, `EFAULT`) instead of reaching a stranger's memory.
    ///
    /// Guards of private memory of no file are pages of the same mapping where the kernel can do that (`MADV_GUARD_INSTALL`,
    /// since Linux 6.13); all others are pages without permissions, mappings of their own. The map owns them: they are unmapped
    /// and moved with it, and stay around what replaces it. They are no part of [`pages`](Map::pages), and no call on a range
    /// reaches them. Of two halves of a [`split`](Map::split) each keeps the guard on its outer side, and
    /// [`join`](Map::join) brings them together again. [`take_pages`](Map::take_pages) and [`duplicate`](Map::duplicate) give
    /// maps without guards.
    ///
    /// The page behind the *last whole page* is the guard; so an overrun by fewer bytes than the length lacks to whole pages is
    /// not seen. A guarded map is not resized, except to 0. Guards do not cost transparent huge pages: a map that is
    /// long enough for them lies as they need it, and one of a file as its offset needs it.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let stack = Map::bytes(64 << 10).anonymously().guarded().with(perms::ReadWrite)?;
    /// assert_eq!(stack.len(), 64 << 10);
    /// // The addresses right before and behind are taken, by pages that nobody may touch.
    /// for neighbour in [stack.addr() - 4096, stack.addr() + stack.len()] {
    ///     assert!(Map::bytes(1).at(neighbour).anonymously().with(perms::Read).is_err());
    /// }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # References
    ///
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    #[inline]
    pub fn guarded(mut self) -> Self {
        self.options.guarded = true;
        self
    }

    /// The first byte goes exactly to `address`, over whatever is mapped there: `MAP_FIXED`.
    ///
    /// Since that takes memory away from whoever owns it, the request ends in the unsafe
    /// [`replace`](Builder::replace) instead of `with`.
    #[inline]
    pub fn onto(self, address: usize) -> Builder<'fd, K, B, Onto> {
        let Self {
            size,
            offset,
            origin,
            options,
            ..
        } = self;
        Builder {
            size,
            offset,
            origin,
            options,
            place: Onto { address },
            parameters: PhantomData,
        }
    }
}
