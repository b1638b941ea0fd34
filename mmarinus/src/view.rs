//! Part of a map, borrowed: copies out of any map, and copies into maps that have no slices.
#![expect(unsafe_code, reason = "copies bytes of maps by pointer")]

use core::fmt;
use core::marker::PhantomData;
use core::ops::RangeBounds;

use mmarinus_sys::ProtFlags;

use crate::backing::{Backing, NoRace, Unsliced, Written};
use crate::copy::{self, Stop};
use crate::error::{Cause, Error, Operation, Reason};
use crate::extent::Extent;
use crate::fault::Fault;
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{MayRead, MayWrite, Permissions, Readable};
use crate::range::resolve;

/// Some bytes of a map, as a window that can be copied and sent to other threads.
///
/// A view copies bytes out of any map. Where the map has no slices (it is [`Unsliced`]), the bytes are not Rust's alone
/// anyway, and a view also writes them, by `&self`.
///
/// Offsets are in bytes from the start of the view.
///
/// # Examples
///
/// ```
/// use mmarinus::{Map, Shared, perms};
///
/// let map = Map::bytes(4096).anywhere().anonymously().with_kind(Shared).with(perms::ReadWrite)?;
/// let view = map.view(16..32)?;
/// std::thread::scope(|scope| {
///     scope.spawn(move || view.write_at(0, b"hello"));
/// });
/// let mut bytes = [0; 5];
/// map.read_at(16, &mut bytes)?;
/// assert_eq!(&bytes, b"hello");
/// # Ok::<(), mmarinus::Error>(())
/// ```
pub struct View<'map, P, K: Kind, B: Backing<K>> {
    /// Lies in pages that stay mapped, with the permissions `perms`, kind `K` and backing `B`, for `'map`.
    extent: Extent,
    perms: P,
    map: PhantomData<(&'map [u8], K, B)>,
}

impl<P: Copy, K: Kind, B: Backing<K>> Clone for View<'_, P, K, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Copy, K: Kind, B: Backing<K>> Copy for View<'_, P, K, B> {}

impl<'map, P: Permissions, K: Kind, B: Backing<K>> View<'map, P, K, B> {
    /// A view of bytes of a map.
    ///
    /// # Safety
    ///
    /// `extent` lies in a `Map<P, K, B>` with the permissions `perms`, which lives and is not borrowed mutably for `'map`.
    #[inline]
    pub(crate) unsafe fn new(extent: Extent, perms: P) -> Self {
        Self {
            extent,
            perms,
            map: PhantomData,
        }
    }

    /// The permissions.
    #[inline]
    pub(crate) fn perms(&self) -> P {
        self.perms
    }

    /// Where the bytes are.
    #[inline]
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// The length in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.extent.len()
    }

    /// Whether the length is 0.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.extent.len() == 0
    }

    /// The address of the first byte.
    #[inline]
    #[must_use]
    pub fn addr(&self) -> usize {
        self.extent.as_ptr().addr()
    }

    /// The first byte as a pointer to read from. Making it touches nothing.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.extent.as_ptr()
    }

    /// What the pages allow.
    #[inline]
    #[must_use]
    pub fn permissions(&self) -> ProtFlags {
        self.perms.flags()
    }

    /// A part of the view.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range does not lie in the view.
    #[inline]
    pub fn sub(&self, range: impl RangeBounds<usize>) -> Result<Self, Error> {
        let refused = |figures| Cause::refused(Operation::View, Reason::OutOfRange, figures);
        let range = resolve(range, self.len()).map_err(refused)?;
        let extent = self
            .extent
            .sub(range.start, range.len())
            .ok_or_else(|| refused([range.start, range.end]))?;
        Ok(Self { extent, ..*self })
    }

    /// The view in pieces of `size` bytes, the last of which may be shorter.
    ///
    /// # Panics
    ///
    /// If `size` is 0.
    #[must_use = "chunks are an iterator"]
    pub fn chunks(&self, size: usize) -> impl ExactSizeIterator<Item = Self> + use<'map, P, K, B> {
        assert!(size != 0, "chunks of 0 bytes never end");
        let view = *self;
        (0..view.len().div_ceil(size)).map(move |index| {
            let start = index * size;
            let len = size.min(view.len() - start);
            let extent = view
                .extent
                .sub(start, len)
                .unwrap_or_else(|| unreachable!("{start} + {len} are in the view"));
            Self { extent, ..view }
        })
    }

    /// Copies bytes from `offset` on into all of `buf`.
    ///
    /// Where pages may be gone the kernel copies (`process_vm_readv`), so that a fault is an error; where they stay but
    /// others write, an assembly routine does; where nobody else writes, it is a plain `memcpy`.
    ///
    /// # Errors
    ///
    /// The [`Fault`] says how many bytes were copied before it.
    ///
    /// - `EINVAL` if the bytes do not lie in the view.
    /// - `EACCES` if permissions known at run time only do not include reading.
    /// - `EFAULT` if a page is gone: a file was truncated, its storage failed, or a device has no ordinary page there.
    /// - `EPERM` or `ENOSYS` if seccomp or the kernel's configuration forbids `process_vm_readv`.
    #[inline]
    pub fn read_at(&self, offset: usize, buf: &mut [u8]) -> Result<(), Fault>
    where
        P: MayRead,
    {
        let refused = |reason| Fault::refused(Operation::Read, reason, offset);
        let from = self
            .extent
            .sub(offset, buf.len())
            .ok_or_else(|| refused(Reason::OutOfRange))?;
        if !self.perms.may_read() {
            return Err(refused(Reason::Forbidden));
        }
        // SAFETY:
        // - The bytes lie in a map that lives (invariant of `extent`).
        // - The access is not by the kernel only where the pair is `NoFault` (the seal of `Backing`), and the pages are readable.
        // - It is plain only where the pair is `NoRace`; its bytes change only through the map, which is borrowed.
        unsafe { copy::read(B::ACCESS, from, buf) }.map_err(|Stop { errno, copied }| {
            Fault::stopped(Operation::Read, errno, offset, copied)
        })
    }

    /// Copies as many bytes as both have from the start of the view to the start of `buf`, and says how many.
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at).
    #[inline]
    pub fn copy_to(&self, buf: &mut [u8]) -> Result<usize, Fault>
    where
        P: MayRead,
    {
        let len = self.len().min(buf.len());
        self.read_at(0, &mut buf[..len])?;
        Ok(len)
    }

    /// Copies `buf` to `offset` and following, whatever the backing.
    ///
    /// # Safety
    ///
    /// - Writing the bytes harms nothing: for a device that is the caller's to know.
    /// - Where the pair is [`NoRace`], nobody else reads or writes the bytes: the map is borrowed mutably.
    #[inline]
    pub(crate) unsafe fn store(&self, offset: usize, buf: &[u8]) -> Result<(), Fault>
    where
        P: MayWrite,
    {
        let refused = |reason| Fault::refused(Operation::Write, reason, offset);
        let to = self
            .extent
            .sub(offset, buf.len())
            .ok_or_else(|| refused(Reason::OutOfRange))?;
        if !self.perms.may_write() {
            return Err(refused(Reason::Forbidden));
        }
        // SAFETY:
        // - The bytes lie in a map that lives (invariant of `extent`), and the caller may write them.
        // - The access is not by the kernel only where the pair is `NoFault` (the seal of `Backing`), and the pages are writable.
        // - It is plain only where the pair is `NoRace`, and then the caller promises that nobody else uses the bytes.
        unsafe { copy::write(B::ACCESS, to, buf) }.map_err(|Stop { errno, copied }| {
            Fault::stopped(Operation::Write, errno, offset, copied)
        })
    }

    /// Copies `buf` to `offset` and following. Others may read or write the bytes meanwhile, and may see any mix of old and new.
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at), with writing for reading.
    #[inline]
    pub fn write_at(&self, offset: usize, buf: &[u8]) -> Result<(), Fault>
    where
        P: MayWrite,
        B: Unsliced<K> + Written<K>,
    {
        // SAFETY: the pair is not `NoRace` (`Unsliced`), and safe code may write its bytes (`Written`).
        unsafe { self.store(offset, buf) }
    }

    /// Copies `buf` into memory of a device, to `offset` and following.
    ///
    /// # Safety
    ///
    /// What the device does with these bytes must not break Rust's rules: a descriptor in a ring of io_uring, say, makes the
    /// kernel write wherever it points.
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at), with writing for reading.
    #[inline]
    pub unsafe fn write_device_at(&self, offset: usize, buf: &[u8]) -> Result<(), Fault>
    where
        P: MayWrite,
        B: Unsliced<K>,
    {
        // SAFETY: the pair is not `NoRace` (`Unsliced`), and the caller knows what the bytes do.
        unsafe { self.store(offset, buf) }
    }

    /// The bytes as a slice, for as long as the map is borrowed.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &'map [u8]
    where
        P: Readable,
        B: NoRace<K>,
    {
        // SAFETY:
        // - The bytes lie in a map that lives and is not borrowed mutably for `'map` (invariant of `extent`).
        // - They are readable (`P: Readable`), accesses do not fault and nobody else changes them (`NoRace`).
        unsafe { core::slice::from_raw_parts(self.extent.as_ptr(), self.extent.len()) }
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> fmt::Debug for View<'_, P, K, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("addr", &format_args!("{:#x}", self.addr()))
            .field("len", &self.len())
            .field("permissions", &self.perms)
            .field("kind", &K::default())
            .field("backing", &B::default())
            .finish()
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// A part of the map as a [`View`], which can be copied and sent to other threads.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range does not lie in the map.
    #[inline]
    pub fn view(&self, range: impl RangeBounds<usize>) -> Result<View<'_, P, K, B>, Error> {
        self.whole_view().sub(range)
    }
}
