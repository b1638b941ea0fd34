//! One memory object mapped twice, back to back, so that what wraps around its end lies in one piece.
#![expect(
    unsafe_code,
    reason = "makes slices of pages that are at two addresses"
)]

mod shared;

use core::fmt;
use core::marker::PhantomData;

use mmarinus_sys::Advice;

use crate::backing::Anonymous;
use crate::error::{Cause, Error, Operation, Reason};
use crate::layout::{Layout, page_shift};
use crate::region::{Behind, Region};

/// Memory that is mapped twice, back to back: any part of it lies in one piece, also across its end.
///
/// Byte `i` and byte `i + capacity` are the same. So a ring buffer hands out what wraps around its end as one slice.
///
/// - [`Mirror::anonymous`] makes memory of its own, which gives slices: no part is longer than the capacity, so that no slice
///   holds a byte twice, and no two slices that are borrowed at once meet in a byte that one of them writes.
/// - [`Mirror::new`] and [`Mirror::part`] map a memory file of which only the size is sealed, such as one that another process
///   has as well: they give copies and atomics. So does memory of its own after [`Mirror::expose`], which several threads can
///   then write at once.
///
/// # Examples
///
/// ```
/// use mmarinus::Mirror;
///
/// let mut mirror = Mirror::anonymous(1)?;
/// let capacity = mirror.capacity(); // A whole number of pages.
///
/// mirror.slice_mut(capacity - 2, 5)?.copy_from_slice(b"hello");
/// assert_eq!(mirror.slice(capacity - 2, 5)?, b"hello");
/// assert_eq!(mirror.slice(0, 3)?, b"llo");
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// # References
///
/// [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html),
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
#[must_use = "a mirror that is dropped is unmapped"]
pub struct Mirror<B = Anonymous> {
    /// Readable and writable shared pages, whose second half is the first once more. Either nobody outside of this process has
    /// them and no other map shows them (`Anonymous`), or the object behind them never gets shorter (`SizeSealed`), or one or the
    /// other, and no slice of them is ever made again (`Exposed`).
    region: Region,
    backing: PhantomData<B>,
}

impl Mirror {
    /// Makes a mirror of at least `len` bytes of zeroed memory: `mmap` with `MAP_SHARED` and `MAP_ANONYMOUS`, and `mremap` with
    /// an old size of 0.
    ///
    /// The capacity is `len` rounded up to whole pages, and twice as many addresses are used. Memory is used as it is touched.
    /// No descriptor is left by which others could reach the pages. A forked child does not have the mirror
    /// (`MADV_DONTFORK`). With a length of 0 the mirror is empty, and no system call is made.
    ///
    /// # Examples
    ///
    /// See [`Mirror`].
    ///
    /// # Errors
    ///
    /// `ENOMEM`: twice the length is more than `isize::MAX` bytes, or no room: address space, `RLIMIT_AS`, commit limit,
    /// `vm.max_map_count`.
    pub fn anonymous(len: usize) -> Result<Self, Error> {
        let region = map(len, None)?;
        // SAFETY: what a forked child gets changes nothing here.
        unsafe { region.advise(0..region.len(), Advice::DONTFORK) }.map_err(|errno| {
            Cause::kernel(
                Operation::Madvise,
                errno,
                [region.len(), region.as_ptr().addr()],
            )
        })?;
        Ok(Self {
            region,
            backing: PhantomData,
        })
    }

    /// The `len` bytes from position `start` on, across the end where they reach so far.
    ///
    /// # Examples
    ///
    /// See [`Mirror`].
    ///
    /// # Errors
    ///
    /// `EINVAL`: the position is not below the capacity, or the part is longer than the capacity. (Nothing at position 0 of an
    /// empty mirror is no error.)
    #[inline]
    pub fn slice(&self, start: usize, len: usize) -> Result<&[u8], Error> {
        self.check(start, len)?;
        let first = self.region.seen_anew().wrapping_add(start);
        // SAFETY:
        // - `start + len` is less than twice the capacity (`check`), and all of that is mapped, readable, as one piece whose
        //   pointer is good for both halves.
        // - An access does not fault: the pages are shared memory that was accounted for when it was made, and no descriptor is
        //   left to take them away with.
        // - The bytes change only through `slice_mut`, which borrows the mirror mutably; in a forked child they are not mapped.
        // - What was written through one half before was a borrow that has ended; since then the pointer was made anew, behind
        //   which the compiler expects any bytes.
        Ok(unsafe { core::slice::from_raw_parts(first, len) })
    }

    /// The `len` bytes from position `start` on, to be written, across the end where they reach so far.
    ///
    /// # Examples
    ///
    /// See [`Mirror`].
    ///
    /// # Errors
    ///
    /// As for [`slice`](Self::slice).
    #[inline]
    pub fn slice_mut(&mut self, start: usize, len: usize) -> Result<&mut [u8], Error> {
        self.check(start, len)?;
        let first = self.region.seen_anew().wrapping_add(start);
        // SAFETY: as for `slice`; the mirror is borrowed mutably, so this is the only slice, and since it is not longer than
        // the capacity (`check`) no byte is in it twice.
        Ok(unsafe { core::slice::from_raw_parts_mut(first, len) })
    }
}

impl<B> Mirror<B> {
    /// The number of bytes, each of which is at two addresses: a whole number of pages.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.region.len() / 2
    }

    /// Whether the capacity is 0.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.region.len() == 0
    }

    /// The address of the first byte; it is also at the address one capacity behind. Dangling if the mirror is empty.
    #[inline]
    #[must_use]
    pub fn addr(&self) -> usize {
        self.region.as_ptr().addr()
    }

    /// The first byte as a pointer to read from: twice the capacity is mapped there. Making it touches nothing.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.region.as_ptr()
    }

    /// The first byte as a pointer to write to: twice the capacity is mapped there. Making it touches nothing.
    #[inline]
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.region.as_ptr()
    }

    /// Refuses a part that would hold a byte twice, or that does not start in the first half.
    #[inline]
    fn check(&self, start: usize, len: usize) -> Result<(), Cause> {
        let capacity = self.capacity();
        if len <= capacity && (start < capacity || start == 0) {
            Ok(())
        } else {
            Err(refused(start, len))
        }
    }
}

impl<B> fmt::Debug for Mirror<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("addr", &format_args!("{:#x}", self.addr()))
            .field("capacity", &self.capacity())
            .finish()
    }
}

/// The refusal of a part.
#[cold]
fn refused(start: usize, len: usize) -> Cause {
    Cause::refused(Operation::Mirror, Reason::OutOfRange, [start, len])
}

/// Maps `len` bytes, rounded up to whole pages, twice.
fn map(len: usize, behind: Behind<'_>) -> Result<Region, Cause> {
    if len == 0 {
        return Ok(Region::empty(page_shift()));
    }
    let too_long = || Cause::refused(Operation::Mmap, Reason::TooLong, [len, 0]);
    let half = Layout::new(0, len, page_shift())
        .and_then(|half| Layout::new(0, half.len(), page_shift()))
        .filter(|half| half.len() <= isize::MAX as usize / 2)
        .ok_or_else(too_long)?;
    Region::mirrored(half, behind)
        .map_err(|errno| Cause::kernel(Operation::Mmap, errno, [half.len(), 0]))
}
