//! Where the pages of a map come from: the words that name a source.

use core::marker::PhantomData;

use rustix::fd::{AsFd, BorrowedFd};

use super::{Builder, Unset};
use crate::backing::{Anonymous, Device, Droppable, File, Sealed, Secret, SizeSealed};
use crate::kind::Shared;
use crate::memfd::Proof;
use crate::source::{Seen, Source};

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
pub(super) struct Memory<'name> {
    /// Whether the kernel may drop its pages.
    pub(super) droppable: bool,
    pub(super) name: Option<&'name str>,
}

impl Memory<'_> {
    /// Memory that has no name and is not dropped.
    pub(super) const PLAIN: Self = Self {
        droppable: false,
        name: None,
    };
}

/// Where the pages come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin<'fd> {
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
    /// A descriptor that was looked at, or memory of no file.
    Seen(Seen<'fd>),
}

impl<'fd> Origin<'fd> {
    /// How memory of no file is to be made, if it is that.
    #[inline]
    pub(super) fn memory(self) -> Option<Memory<'fd>> {
        match self {
            Origin::Anonymous(memory) => Some(memory),
            Origin::Seen(seen) if seen.is_anonymous() => Some(Memory::PLAIN),
            _ => None,
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
    /// The map is [`Private`](crate::Private). After another source (`.anonymously()`, `.from(…)`) that one counts.
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
    /// [`Map::name`](crate::Map::name) does the same later and tells whether it worked;
    /// `mmarinus_sys::Support::vma_anon_name` tells it beforehand.
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
    /// The map is [`Shared`] with a file that nobody has. All of its pages are brought in when it is made, and stay: some kernels
    /// count them by `RLIMIT_MEMLOCK` only when they are touched, and then to pass the limit would be SIGBUS. It is zeroed by
    /// the kernel when it is unmapped. (A thread that forks between the calls that make the map gives the child the very same
    /// memory, if the child lives on without `exec`.)
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
    /// `with` says
    ///
    /// - `EAGAIN`, `EFAULT`: it would pass `RLIMIT_MEMLOCK`; or memory ran out.
    /// - `EFBIG`: it would pass `RLIMIT_FSIZE`.
    /// - `ENOSYS`: the kernel lacks it, or has it switched off (`secretmem.enable`).
    /// - `EPERM`, `ENOSYS`: seccomp or the kernel's configuration forbids `process_vm_writev`, by which pages are brought in.
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
        self.behind(Origin::Seen(source.as_seen()), offset)
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
}
