//! What is asked for besides place and source: the kind, and the words that change how pages are made.

use core::marker::PhantomData;

use mmarinus_sys::{HugePage, MapFlags};

use super::Builder;
use crate::backing::File;
use crate::kind::{Kind, Shared};
use crate::region::Reach;

/// What is asked for besides place and source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) flags: MapFlags,
    pub(super) populate: bool,
    /// A power of two in bytes; 1 is none.
    pub(super) align: usize,
    pub(super) fork: Option<Fork>,
    pub(super) huge: Option<HugePage>,
    pub(super) reach: Reach,
    pub(super) synchronous: bool,
    pub(super) guarded: bool,
}

impl Options {
    /// Nothing.
    pub(super) const NONE: Self = Self {
        flags: MapFlags::empty(),
        populate: false,
        align: 1,
        fork: None,
        huge: None,
        reach: Reach::Anywhere,
        synchronous: false,
        guarded: false,
    };
}

/// What a forked child gets of a map, if not a map of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fork {
    /// Nothing is mapped there.
    Nothing,
    /// Zeroed pages.
    Zeros,
}

impl<'fd, K, B, A> Builder<'fd, K, B, A> {
    /// [`Private`](crate::Private) (which is the default) or [`Shared`].
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
    /// The length is rounded up to whole huge pages, which [`pages`](crate::Map::pages) and
    /// [`page_size`](crate::Map::page_size) tell. All of them are brought in whenever the map becomes accessible, and a page
    /// that cannot be had then is an error: otherwise touching it would be SIGBUS, whatever was reserved. They are not given
    /// back before the map is dropped, do not grow, and a map of them that was split does not move.
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
    /// Growing may move it out of there; [`resize_in_place`](crate::Map::resize_in_place) does not. An address that `.at`,
    /// `.onto` or the map that is replaced says must lie there; one that `.near` says counts if it does. After
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
    /// files on persistent memory with direct access (DAX). Then [`persist`](crate::Map::persist) needs no system call.
    ///
    /// It stands behind `.from(&file, offset)` and `.with_kind(Shared)`. Where the file system has no direct access, that is an
    /// error, `EOPNOTSUPP`; then map without this word and use [`sync`](crate::Map::sync).
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
