//! How a map is asked for: a plain set of options, and the places where it may go.

use core::fmt::Debug;
use core::marker::PhantomData;

use mmarinus_sys::{HugePage, MapFlags, ProtFlags, Support};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::backing::{Anonymous, Device, Droppable, File, Sealed, Secret, SizeSealed};
use crate::error::{Cause, Operation, Reason};
use crate::kind::{Kind, Private, Shared};
use crate::layout::{Layout, is_page_shift, page_shift};
use crate::map::Map;
use crate::memfd::{Proof, look_at_memfd};
use crate::name::Name;
use crate::perms::{self, ASKABLE};
use crate::region::{Behind, Reach, SYNCHRONOUS};
use crate::source::{Looked, Source, look_at_device, look_at_file};

pub use crate::remap_in_place::InPlace;

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

/// What is asked for besides place and source.
#[derive(Clone, Copy, Debug)]
struct Options {
    flags: MapFlags,
    populate: bool,
    /// A power of two in bytes; 1 is none.
    align: usize,
    fork: Option<Fork>,
    huge: Option<HugePage>,
    reach: Reach,
    synchronous: bool,
    guarded: bool,
}

/// What a forked child gets of a map, if not a map of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fork {
    /// Nothing is mapped there.
    Nothing,
    /// Zeroed pages.
    Zeros,
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

/// What no file stands behind: [`Unset`], [`Anonymous`] and [`Droppable`].
///
/// Sealed: it says what a source is, and sources are this crate's.
#[diagnostic::on_unimplemented(
    message = "this is only for memory of no file, not for `{Self}`",
    note = "files have no names but their own, and their pages are never dropped; use `.anonymously()`"
)]
pub trait NoFile: sealed::NoFile {}

impl NoFile for Unset {}
impl NoFile for Anonymous {}
impl NoFile for Droppable {}

mod sealed {
    #[expect(unnameable_types, reason = "the seal of `NoFile`")]
    pub trait NoFile {}

    impl NoFile for super::Unset {}
    impl NoFile for super::Anonymous {}
    impl NoFile for super::Droppable {}
}

/// Memory of no file.
#[derive(Clone, Copy, Debug)]
struct Memory<'name> {
    /// Whether the kernel may drop its pages.
    droppable: bool,
    name: Option<&'name str>,
}

impl Memory<'_> {
    /// Memory that has no name and is not dropped.
    const PLAIN: Self = Self {
        droppable: false,
        name: None,
    };
}

/// Where the pages come from.
#[derive(Clone, Copy, Debug)]
enum Origin<'fd> {
    /// No file.
    Anonymous(Memory<'fd>),
    /// A secret memory file, which is made when it is mapped.
    Secret,
    /// A descriptor that must be a file, which is still to be looked at.
    File(BorrowedFd<'fd>),
    /// A descriptor that may be anything, which is still to be looked at.
    Device(BorrowedFd<'fd>),
    /// A descriptor that must be a memory file with seals, which is still to be looked at.
    Memfd(BorrowedFd<'fd>, Proof),
    /// A descriptor that was looked at.
    Looked(BorrowedFd<'fd>, Looked),
}

/// A request that passed every check which needs no place: the arguments of the system call.
pub(crate) struct Prepared<'fd> {
    /// `None` if no bytes are asked for.
    pub(crate) layout: Option<Layout>,
    pub(crate) page_shift: u8,
    /// The permissions that are asked for.
    pub(crate) asked: ProtFlags,
    /// Those to map with: reading is among them where all pages are to be read once.
    pub(crate) prot: ProtFlags,
    /// Whether all pages must be read once.
    pub(crate) fill: bool,
    pub(crate) flags: MapFlags,
    pub(crate) behind: Behind<'fd>,
    /// For what the pages are brought in by a call of its own.
    pub(crate) populate: Option<ProtFlags>,
    /// A power of two in bytes.
    pub(crate) align: usize,
    pub(crate) fork: Option<Fork>,
    pub(crate) reach: Reach,
    pub(crate) guarded: bool,
    /// A name that the kernel takes.
    pub(crate) name: Option<&'fd str>,
    /// Whether it is a secret memory file, which is still to be made.
    pub(crate) secret: bool,
}

impl Prepared<'_> {
    /// Whether more was asked for than the flags of the system call say.
    #[inline]
    pub(crate) fn is_special(&self) -> bool {
        self.fork.is_some() || self.reach != Reach::Anywhere || self.guarded
    }

    /// Makes the secret memory file, if it is to be one.
    #[inline(always)]
    pub(crate) fn secret(&self) -> Result<Option<OwnedFd>, Cause> {
        match self.layout {
            Some(layout) if self.secret => crate::secret::make(layout).map(Some),
            _ => Ok(None),
        }
    }

    /// The same with the secret memory file, if there is one.
    #[inline(always)]
    pub(crate) fn behind<'new>(self, secret: Option<&'new OwnedFd>) -> Prepared<'new>
    where
        Self: 'new,
    {
        match secret {
            None => self,
            Some(fd) => Prepared {
                behind: Some((fd.as_fd(), 0)),
                ..self
            },
        }
    }
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
            options: Options {
                flags: MapFlags::empty(),
                populate: false,
                align: 1,
                fork: None,
                huge: None,
                reach: Reach::Anywhere,
                synchronous: false,
                guarded: false,
            },
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

impl<'fd, K, B, A> Builder<'fd, K, B, A> {
    /// Memory of no file: zeroed pages.
    #[inline]
    pub fn anonymously(self) -> Builder<'fd, K, Anonymous, A> {
        let name = match self.origin {
            Origin::Anonymous(memory) => memory.name,
            _ => None,
        };
        self.behind(
            Origin::Anonymous(Memory {
                droppable: false,
                name,
            }),
            0,
        )
    }

    /// Memory of no file that the kernel may drop: `MAP_DROPPABLE` (since Linux 6.11). When memory runs short it takes pages
    /// back without writing them anywhere, and they are zeros from then on; so this is for what can be made again, such as
    /// caches.
    ///
    /// A page may change from what was written to zeros at any moment, so the map has atomics and copies, and no slices. It
    /// reserves no memory, never goes to swap and is zeros in a forked child. Locking it is not an error and does nothing.
    ///
    /// The map is [`Private`]. After another source (`.anonymously()`, `.from(…)`) that one counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// match Map::bytes(1 << 20).anywhere().anonymously().droppable().with(perms::ReadWrite) {
    ///     Ok(mut cache) => {
    ///         cache.write_at(0, b"made before")?;
    ///         let mut bytes = [0; 11];
    ///         cache.read_at(0, &mut bytes)?;
    ///         assert!(bytes == *b"made before" || bytes == [0; 11]);
    ///     }
    ///     Err(error) => assert_eq!(error.errno(), Errno::INVAL), // An older kernel.
    /// }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    #[inline]
    pub fn droppable(self) -> Builder<'fd, K, Droppable, A>
    where
        B: NoFile,
    {
        let name = match self.origin {
            Origin::Anonymous(memory) => memory.name,
            _ => None,
        };
        self.behind(
            Origin::Anonymous(Memory {
                droppable: true,
                name,
            }),
            0,
        )
    }

    /// Gives memory of no file a name, which `/proc/PID/maps` shows as `[anon:name]`: `PR_SET_VMA_ANON_NAME` (since Linux 5.17;
    /// of shared memory since 6.2).
    ///
    /// The name is best effort: many kernels are built without names, and then the map is made all the same and has none.
    /// [`Map::name`] does the same later and tells whether it worked; `mmarinus_sys::Support::vma_anon_name` tells it beforehand.
    ///
    /// A name has at most 79 bytes of printable ASCII, without `\`, `` ` ``, `$`, `[` and `]`; any other is refused with
    /// `EINVAL`. After a file as source it is forgotten.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// let ram = Map::bytes(1 << 20).anywhere().anonymously().named("guest ram").with(perms::ReadWrite)?;
    /// assert_eq!(ram[0], 0);
    /// let error = Map::bytes(1).anonymously().named("guest[0]").with(perms::Read).unwrap_err();
    /// assert_eq!(error.errno(), Errno::INVAL);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # References
    ///
    /// [PR_SET_VMA(2const)](https://man7.org/linux/man-pages/man2/PR_SET_VMA.2const.html)
    #[inline]
    pub fn named<'name>(self, name: &'name str) -> Builder<'name, K, B, A>
    where
        B: NoFile,
    {
        let droppable = matches!(
            self.origin,
            Origin::Anonymous(Memory {
                droppable: true,
                ..
            })
        );
        let name = Some(name);
        self.behind(Origin::Anonymous(Memory { droppable, name }), 0)
    }

    /// Secret memory (since Linux 5.14): `memfd_secret`. The kernel keeps no map of it for itself, so that neither
    /// `process_vm_readv`, ptrace, `O_DIRECT` nor a core dump reaches it; it is not swapped, no child process has it, and no
    /// other map of it exists.
    ///
    /// The map is [`Shared`] with a file that nobody has. What is locked in memory counts, here too: `RLIMIT_MEMLOCK`. It is
    /// zeroed by the kernel when it is unmapped. (A thread that forks between the two calls that make the map gives the child
    /// an empty one of its own kind.)
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// match Map::bytes(32).secret().with(perms::ReadWrite) {
    ///     Ok(mut key) => key.fill(7),
    ///     Err(error) => assert_eq!(error.errno(), Errno::NOSYS), // An older kernel, or it is switched off.
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `with` says `ENOSYS` where the kernel lacks it or has it switched off (`secretmem.enable`), and `EAGAIN` where it would
    /// pass `RLIMIT_MEMLOCK`. To [`populate`](Self::populate) it is refused, since the kernel brings in such pages only when they
    /// are touched.
    ///
    /// # References
    ///
    /// [memfd_secret(2)](https://man7.org/linux/man-pages/man2/memfd_secret.2.html)
    #[inline]
    pub fn secret(self) -> Builder<'static, Shared, Secret, A> {
        let Self {
            size,
            options,
            place,
            ..
        } = self;
        Builder {
            size,
            offset: 0,
            origin: Origin::Secret,
            options,
            place,
            parameters: PhantomData,
        }
    }

    /// A regular file or a block device, from `offset` bytes on.
    ///
    /// Any [`AsFd`] is taken, by reference; it is borrowed until the map is made, and the map needs it no longer. The
    /// offset need not be a multiple of the page size: the map starts at the very byte. It may lie past the end of the file,
    /// where reading is an error until the file grows.
    ///
    /// Looking at the file costs two system calls; [`Source::of`] makes them once for many maps. Whatever is not a file is
    /// refused as `Source::of` says.
    #[inline]
    pub fn from<'new, F: AsFd + ?Sized>(
        self,
        fd: &'new F,
        offset: u64,
    ) -> Builder<'new, K, File, A> {
        self.behind(Origin::File(fd.as_fd()), offset)
    }

    /// Any other descriptor that can be mapped, from `offset` bytes on: its driver decides what the pages are.
    ///
    /// Such a map is read by checked copies, and written by `unsafe` code alone.
    #[inline]
    pub fn from_device<'new, F: AsFd + ?Sized>(
        self,
        fd: &'new F,
        offset: u64,
    ) -> Builder<'new, K, Device, A> {
        self.behind(Origin::Device(fd.as_fd()), offset)
    }

    /// A memory file that is sealed against writing, shrinking and growing (`F_SEAL_WRITE`, `F_SEAL_SHRINK`, `F_SEAL_GROW`), from
    /// `offset` bytes on: its bytes never change again, so the map has slices.
    ///
    /// Seals and size are looked at on this very descriptor, and all pages are brought in by reading: a hole in a memory file
    /// can be SIGBUS where memory is short. That allocates the holes; so bound the length that is taken from a peer. A
    /// shared map can only be read; a private one keeps what is written to itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use mmarinus::{Map, perms};
    /// use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    ///
    /// let mut file = std::fs::File::from(memfd_create("message", MemfdFlags::ALLOW_SEALING)?);
    /// file.write_all(b"hello")?;
    /// fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW)?;
    /// let map = Map::bytes(5).anywhere().from_sealed(&file, 0).with(perms::Read)?;
    /// assert_eq!(&map[..], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    ///
    /// [F_GET_SEALS(2const)](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html)
    #[inline]
    pub fn from_sealed<'new, F: AsFd + ?Sized>(
        self,
        fd: &'new F,
        offset: u64,
    ) -> Builder<'new, K, Sealed, A> {
        self.behind(Origin::Memfd(fd.as_fd(), Proof::Sealed), offset)
    }

    /// A memory file that is sealed against shrinking (`F_SEAL_SHRINK`), from `offset` bytes on: its pages stay, while others may
    /// write them, so the map has atomics.
    ///
    /// Refused where memory may not be overcommitted (`vm.overcommit_memory` is 2): touching a hole that somebody else punches is
    /// SIGBUS there.
    #[inline]
    pub fn from_size_sealed<'new, F: AsFd + ?Sized>(
        self,
        fd: &'new F,
        offset: u64,
    ) -> Builder<'new, K, SizeSealed, A> {
        self.behind(Origin::Memfd(fd.as_fd(), Proof::SizeSealed), offset)
    }

    /// A descriptor that was looked at before, from `offset` bytes on: mapping it is a single system call.
    #[inline]
    pub fn from_source<'new, C>(
        self,
        source: &Source<'new, C>,
        offset: u64,
    ) -> Builder<'new, K, C, A> {
        match source.parts() {
            (None, _) => self.behind(Origin::Anonymous(Memory::PLAIN), offset),
            (Some(fd), looked) => self.behind(Origin::Looked(fd, looked), offset),
        }
    }

    /// The same request with another source.
    #[inline]
    fn behind<'new, C>(self, origin: Origin<'new>, offset: u64) -> Builder<'new, K, C, A> {
        let Self {
            size,
            options,
            place,
            ..
        } = self;
        Builder {
            size,
            offset,
            origin,
            options,
            place,
            parameters: PhantomData,
        }
    }

    /// [`Private`] (which is the default) or [`Shared`].
    #[inline]
    pub fn with_kind<L: Kind>(self, kind: L) -> Builder<'fd, L, B, A> {
        let _ = kind;
        let Self {
            size,
            offset,
            origin,
            options,
            place,
            ..
        } = self;
        Builder {
            size,
            offset,
            origin,
            options,
            place,
            parameters: PhantomData,
        }
    }

    /// Brings every page in at once, for writing where the permissions allow it and else for reading; a page that cannot be
    /// brought in is an error. (For private anonymous memory nothing but running out of memory can go wrong.)
    ///
    /// A private map of a file that may be written is copied whole by that. Before Linux 5.14 pages of files are only
    /// brought in for reading.
    #[inline]
    pub fn populate(mut self) -> Self {
        self.options.populate = true;
        self
    }

    /// Keeps the pages in memory: `MAP_LOCKED`. The kernel does not report a page that it could not bring in;
    /// [`populate`](Self::populate) does.
    #[inline]
    pub fn locked(self) -> Self {
        self.flag(MapFlags::LOCKED)
    }

    /// Reserves no memory for the pages beforehand: `MAP_NORESERVE`.
    ///
    /// Refused for shared anonymous memory, where running out of memory would be SIGBUS.
    #[inline]
    pub fn no_reserve(self) -> Self {
        self.flag(MapFlags::NORESERVE)
    }

    /// Memory in huge pages of this size, from the pool that the administrator filled: `MAP_HUGETLB`.
    ///
    /// The length is rounded up to whole huge pages, which [`pages`](Map::pages) and [`page_size`](Map::page_size) tell. All of
    /// them are brought in whenever the map becomes accessible, and a page that cannot be had then is an error: otherwise
    /// touching it would be SIGBUS, whatever was reserved. They are not given back before the map is dropped, do
    /// not grow, and a map of them that was split does not move.
    ///
    /// Files say themselves in which pages they are (hugetlbfs, `memfd_create` with `MFD_HUGETLB`): there this is not needed, and
    /// refused if it says another size.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{HugePage, Map, perms};
    ///
    /// match Map::bytes(100).anonymously().with_huge_pages(HugePage::SIZE_2MB).with(perms::ReadWrite) {
    ///     Ok(map) => assert_eq!((map.len(), map.pages().1), (100, 2 << 20)),
    ///     Err(error) => println!("{error}"), // "... no free pages of 2 MiB: 0 of 0 in ..."
    /// }
    /// ```
    ///
    /// # References
    ///
    /// [hugetlbpage](https://docs.kernel.org/admin-guide/mm/hugetlbpage.html)
    #[inline]
    pub fn with_huge_pages(mut self, size: HugePage) -> Self {
        self.options.huge = Some(size);
        self
    }

    /// Says that the memory is for a thread's stack: `MAP_STACK`. Since Linux 6.7 it then gets no transparent huge pages.
    #[inline]
    pub fn stack(self) -> Self {
        self.flag(MapFlags::STACK)
    }

    /// The first whole page starts at a multiple of `align` bytes, a power of two: so that huge pages fit, say.
    ///
    /// It costs nothing more where the kernel chooses such an address by itself.
    #[inline]
    pub fn aligned_to(mut self, align: usize) -> Self {
        self.options.align = align;
        self
    }

    /// All of the map lies below 2 GiB, so that its addresses fit into 31 bits: `MAP_32BIT` where the kernel has it (x86_64), and
    /// else a search.
    ///
    /// Growing may move it out of there; [`resize_in_place`](Map::resize_in_place) does not. An address that `.at`, `.onto` or
    /// the map that is replaced says must lie there; one that `.near` says counts if it does. After
    /// [`above_47_bits`](Self::above_47_bits) the word that comes last counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let code = Map::bytes(4096).below_2gib().anonymously().with(perms::ReadWrite)?;
    /// assert!(u32::try_from(code.addr() + code.len()).is_ok_and(|end| end <= 1 << 31));
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    #[inline]
    pub fn below_2gib(mut self) -> Self {
        self.options.reach = Reach::Below2Gib;
        self
    }

    /// All of the map lies at 2^47 or above, where programs that do not expect it have no pointers to: a hint that lets the
    /// kernel use addresses of 57 bits. Without them (CPU or kernel) that is an error, `ENOMEM`.
    ///
    /// It goes with other words about the place as [`below_2gib`](Self::below_2gib) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// match Map::bytes(4096).above_47_bits().anonymously().with(perms::ReadWrite) {
    ///     Ok(map) => assert!(map.addr() as u64 >= 1 << 47),
    ///     Err(error) => assert_eq!(error.errno(), Errno::NOMEM), // Addresses end at 2^47 here.
    /// }
    /// ```
    ///
    /// # References
    ///
    /// [5-level paging](https://docs.kernel.org/arch/x86/x86_64/5level-paging.html)
    #[inline]
    pub fn above_47_bits(mut self) -> Self {
        self.options.reach = Reach::Above47Bits;
        self
    }

    /// A forked child does not get the map: `MADV_DONTFORK`. Nothing is mapped there in the child.
    #[inline]
    pub fn dont_fork(mut self) -> Self {
        self.options.fork = Some(Fork::Nothing);
        self
    }

    /// A forked child gets zeroed pages: `MADV_WIPEONFORK`. For private anonymous memory alone.
    #[inline]
    pub fn wipe_on_fork(mut self) -> Self {
        self.options.fork = Some(Fork::Zeros);
        self
    }

    /// The same request with one more flag.
    #[inline]
    fn flag(mut self, flag: MapFlags) -> Self {
        self.options.flags = self.options.flags.union(flag);
        self
    }
}

impl<A> Builder<'_, Shared, File, A> {
    /// A page that may be written has its place on the storage: `MAP_SYNC` with `MAP_SHARED_VALIDATE` (since Linux 4.15), for
    /// files on persistent memory with direct access (DAX). Then [`persist`](Map::persist) needs no system call.
    ///
    /// It stands behind `.from(&file, offset)` and `.with_kind(Shared)`. Where the file system has no direct access, that is an
    /// error, `EOPNOTSUPP`; then map without this word and use [`sync`](Map::sync).
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Map, Shared, perms};
    ///
    /// let file = tempfile::tempfile()?;
    /// file.set_len(4096)?;
    /// let request = Map::bytes(4096).from(&file, 0).with_kind(Shared);
    /// match request.synchronous().with(perms::ReadWrite) {
    ///     Ok(mut map) => map.write_at(0, b"on persistent memory")?,
    ///     Err(error) => assert_eq!(error.errno(), Errno::OPNOTSUPP),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html),
    /// [DAX](https://docs.kernel.org/filesystems/dax.html)
    #[inline]
    pub fn synchronous(mut self) -> Self {
        self.options.synchronous = true;
        self
    }
}

impl<'fd, K: Kind, B, A> Builder<'fd, K, B, A> {
    /// Checks the request and works out the arguments of the system call; looks at the descriptor if nobody has yet.
    #[inline(always)]
    pub(crate) fn prepare(&self, prot: ProtFlags) -> Result<Prepared<'fd>, Cause> {
        let memory = match self.origin {
            Origin::Anonymous(memory) => Some(memory),
            _ => None,
        };
        let anonymous = memory.is_some();
        let droppable = memory.is_some_and(|memory| memory.droppable);
        if droppable && self.options.flags.contains(MapFlags::LOCKED) {
            return Err(self.refused(Reason::DroppableLocked));
        }
        let name = memory.and_then(|memory| memory.name);
        if name.is_some_and(|name| Name::new(name).is_none()) {
            return Err(self.refused(Reason::BadName));
        }
        let secret = matches!(self.origin, Origin::Secret);
        if !ASKABLE.contains(prot) {
            return Err(self.refused(Reason::BadPermissions));
        }
        if K::SHARED && anonymous && self.options.flags.contains(MapFlags::NORESERVE) {
            return Err(self.refused(Reason::UnreservedShared));
        }
        if secret {
            self.check_secret()?;
        }
        if self.options.populate && !prot.intersects(ProtFlags::READ.union(ProtFlags::WRITE)) {
            return Err(self.refused(Reason::NothingToPopulate));
        }
        if !self.options.align.is_power_of_two() {
            return Err(self.refused(Reason::NoAlignment));
        }
        if self.options.fork == Some(Fork::Zeros) && (K::SHARED || !anonymous) {
            return Err(self.refused(Reason::NotWiped));
        }
        let (
            fd,
            Looked {
                page_shift, last, ..
            },
        ) = self.look()?;
        let (page_shift, huge) = match self.options.huge {
            None => (page_shift, MapFlags::empty()),
            Some(size) => self.huge_pages(size, fd.map(|_| page_shift))?,
        };
        let is_huge = page_shift != self::page_shift();
        if is_huge && self.options.flags.contains(MapFlags::NORESERVE) {
            return Err(self.refused(Reason::UnreservedHuge));
        }
        if is_huge && droppable {
            return Err(self.refused(Reason::DroppableHuge));
        }
        if is_huge && self.options.fork == Some(Fork::Zeros) {
            return Err(self.refused(Reason::NotWiped));
        }
        let head = (self.offset & ((1 << page_shift) - 1)) as usize;
        let start = self.offset - head as u64;
        let layout = match self.size {
            0 => None,
            size => Some(
                Layout::of_pages(head, size, page_shift)
                    .ok_or_else(|| self.refused(Reason::TooLong))?,
            ),
        };
        let end = start.checked_add(layout.map_or(0, Layout::len) as u64);
        if end.is_none_or(|end| end > last) {
            return Err(self.refused(Reason::OffsetTooFar));
        }
        let kind = if self.options.synchronous {
            let of_file = matches!(self.origin, Origin::File(_) | Origin::Looked(..));
            match SYNCHRONOUS {
                Some(kind) if K::SHARED && of_file => kind,
                _ => return Err(self.refused(Reason::NotSynchronous)),
            }
        } else if droppable {
            MapFlags::DROPPABLE
        } else if K::SHARED {
            MapFlags::SHARED
        } else {
            MapFlags::PRIVATE
        };
        // For private anonymous memory the kernel can do it in the same call: nothing but running out of memory can go wrong. But
        // guards come first.
        let guards_first = self.options.guarded && Support::populate();
        let at_once = self.options.populate && anonymous && !K::SHARED && !is_huge && !guards_first;
        let populate = if at_once {
            MapFlags::POPULATE
        } else {
            MapFlags::empty()
        };
        let fork = if secret {
            Some(Fork::Nothing)
        } else {
            self.options.fork
        };
        let fill = matches!(self.origin, Origin::Memfd(_, Proof::Sealed));
        Ok(Prepared {
            layout,
            page_shift,
            asked: prot,
            prot: if fill {
                prot.union(ProtFlags::READ)
            } else {
                prot
            },
            fill,
            flags: self.options.flags.union(kind).union(populate).union(huge),
            behind: fd.map(|fd| (fd, start)),
            populate: if is_huge {
                populated::<K>(prot)
            } else if self.options.populate && !at_once {
                Some(prot)
            } else {
                None
            },
            align: self.options.align,
            fork,
            reach: self.options.reach,
            guarded: self.options.guarded,
            name,
            secret,
        })
    }

    /// Refuses options that secret memory does not have.
    #[cold]
    fn check_secret(&self) -> Result<(), Cause> {
        let Options {
            populate,
            flags,
            huge,
            fork,
            ..
        } = self.options;
        if populate {
            return Err(self.refused(Reason::SecretUnpopulated));
        }
        if flags.contains(MapFlags::NORESERVE) {
            return Err(self.refused(Reason::UnreservedShared));
        }
        if fork == Some(Fork::Zeros) {
            return Err(self.refused(Reason::NotWiped));
        }
        match huge {
            Some(_) => Err(self.refused(Reason::OtherHugePages)),
            None => Ok(()),
        }
    }

    /// The log2 of the size in bytes of huge pages, and the flags to ask for them; none for a file, which was looked at.
    #[cold]
    fn huge_pages(&self, size: HugePage, file: Option<u8>) -> Result<(u8, MapFlags), Cause> {
        let size = match size {
            HugePage::DEFAULT => Support::default_huge_page(),
            size => Some(size),
        };
        let shift = size.map_or(0, HugePage::log2) as u8;
        let fits = page_shift() < shift && is_page_shift(shift);
        match (size, file) {
            (Some(size), None) if fits => Ok((shift, size.map_flags())),
            (_, None) => Err(self.refused(Reason::NoSuchHugePages)),
            (_, Some(_)) if self.size == 0 && fits => Ok((shift, MapFlags::empty())),
            (_, Some(file)) if file == shift => Ok((shift, MapFlags::empty())),
            (_, Some(_)) => Err(self.refused(Reason::OtherHugePages)),
        }
    }

    /// The descriptor, and what is seen of it. Makes no system call for an empty map.
    #[inline(always)]
    fn look(&self) -> Result<(Option<BorrowedFd<'fd>>, Looked), Cause> {
        match self.origin {
            Origin::Anonymous(_) | Origin::Secret => Ok((None, Looked::nothing())),
            Origin::Looked(fd, looked) => Ok((Some(fd), looked)),
            Origin::File(fd) | Origin::Device(fd) | Origin::Memfd(fd, _) if self.size == 0 => {
                Ok((Some(fd), Looked::nothing()))
            }
            Origin::File(fd) => Ok((Some(fd), look_at_file(fd)?)),
            Origin::Device(fd) => Ok((Some(fd), look_at_device(fd)?)),
            Origin::Memfd(fd, proof) => {
                let end = self.offset.checked_add(self.size as u64);
                Ok((Some(fd), look_at_memfd(fd, proof, end)?))
            }
        }
    }

    /// A refusal of this request.
    #[cold]
    pub(crate) fn refused(&self, reason: Reason) -> Cause {
        Cause::refused(Operation::Mmap, reason, [self.size, 0])
    }
}

/// For what huge pages have to be brought in, so that no access of a map with these permissions faults; `None` if there is none.
///
/// A page of a shared object that was read is there, and writing it needs no other. A private one may have to be copied.
pub(crate) fn populated<K: Kind>(prot: ProtFlags) -> Option<ProtFlags> {
    if K::SHARED && prot.contains(ProtFlags::READ) {
        return Some(ProtFlags::READ);
    }
    prot.intersects(ProtFlags::READ.union(ProtFlags::WRITE))
        .then_some(prot)
}
