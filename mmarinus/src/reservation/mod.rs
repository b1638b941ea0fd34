//! Addresses without memory: a reservation, how it is asked for, and what it can say of itself.
#![expect(
    unsafe_code,
    reason = "says that new pages are what a space is made of"
)]

mod place;
mod typed;
mod window;

use core::fmt;

use mmarinus_sys::{MapFlags, ProtFlags};

use crate::builder::{Builder, New, Unset};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Private;
use crate::layout::Layout;
use crate::map::Map;
use crate::region::{Region, Space};
use crate::stack;

pub use window::Window;

/// A range of addresses that nobody else gets, terabytes if wanted: `mmap` with `PROT_NONE`. It costs no memory until it is used.
///
/// VM monitors, enclave loaders and allocators reserve first, and put things in place afterwards. There are two ways:
///
/// - **At run time, by `&self`.** [`place`](Self::place) puts files and memory of no file anywhere in it,
///   [`protect`](Self::protect) changes permissions, [`guard`](Self::guard) makes pages that fault,
///   [`decommit`](Self::decommit) takes things away again. What is placed is reached through a [`view`](Self::view), by copies
///   that the kernel makes: a page that is not there is an `Err`, no signal. Nothing is to be remembered, so threads do all
///   that at once, and it takes as long with ten thousand things inside as with none. Whoever copies while a range changes
///   finds the old, the new, or an `Err`.
/// - **By type, moving ownership.** [`split_to`](Self::split_to) cuts a piece off, [`fill`](Self::fill) makes a [`Map`] of it,
///   with slices and all that a map has, and [`Map::decommit`] turns a map back. [`join`](Self::join) glues pieces together.
///
/// Either way one mapping takes the place of another in one step: never is there a hole that another thread could fill.
///
/// Ranges are bytes from the start of the reservation. What changes pages takes whole pages, or is an `Err`. Pages have the
/// ordinary size; huge pages are for maps. For transparent huge pages of a file, its offset and the address agree modulo 2 MiB:
/// reserve with
/// [`aligned`](Self::aligned), and place at a start that agrees with the offset.
///
/// Copies go in parts of 1 MiB, and a replacement waits for those that are under way. So a thread that supplies pages on demand
/// (a file system in user space, a `userfaultfd`) must not replace anything in the reservation whose copies wait for it.
///
/// # Examples
///
/// ```
/// use mmarinus::{Private, ProtFlags, Reservation, Shared, Source};
///
/// let rw = ProtFlags::READ | ProtFlags::WRITE;
/// let guest = Reservation::aligned(1 << 40, 2 << 20)?; // A terabyte of addresses.
/// guest.place(0..1 << 30, &Source::anonymous(), 0, Private, rw)?; // Memory at the bottom.
///
/// let rom = tempfile::tempfile()?;
/// rom.set_len(1 << 16)?;
/// let top = guest.len() - (1 << 16);
/// guest.place(top.., &Source::of(&rom)?, 0, Shared, ProtFlags::READ)?; // And a file at the top.
///
/// guest.view(4096..8192)?.write_at(0, b"hello")?;
/// let mut bytes = [0; 5];
/// guest.view(4096..8192)?.read_at(0, &mut bytes)?;
/// assert_eq!(&bytes, b"hello");
/// assert!(guest.view(top..)?.write_at(0, b"hello").is_err()); // It may only be read.
///
/// guest.decommit(0..1 << 30)?;
/// assert!(guest.view(4096..8192)?.read_at(0, &mut bytes).is_err()); // Nothing is there.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
#[must_use = "a reservation that is dropped is unmapped, with all that was placed in it"]
pub struct Reservation {
    space: Space,
}

impl Reservation {
    /// Reserves `len` bytes of addresses, rounded up to whole pages, wherever the kernel likes: `mmap` with `PROT_NONE`.
    ///
    /// The same as `Map::bytes(len).reserve()`; there the place can be named.
    ///
    /// # Examples
    ///
    /// See [`Reservation`].
    ///
    /// # Errors
    ///
    /// As for [`Builder::reserve`].
    pub fn new(len: usize) -> Result<Self, Error> {
        Map::bytes(len).reserve()
    }

    /// Reserves `len` bytes of addresses, rounded up to whole pages, that start at a multiple of `align`, a power of two.
    ///
    /// The same as `Map::bytes(len).aligned_to(align).reserve()`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::Reservation;
    ///
    /// let reservation = Reservation::aligned(1 << 30, 1 << 30)?;
    /// assert!(reservation.addr().is_multiple_of(1 << 30));
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Builder::reserve`].
    pub fn aligned(len: usize, align: usize) -> Result<Self, Error> {
        Map::bytes(len).aligned_to(align).reserve()
    }

    /// The length in bytes: a whole number of pages.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.space.len()
    }

    /// Whether the length is 0.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.space.len() == 0
    }

    /// The address of the first byte. Dangling if it is empty.
    #[inline]
    #[must_use]
    pub fn addr(&self) -> usize {
        self.space.as_ptr().addr()
    }

    /// The first byte as a pointer to read from. Making it touches nothing.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.space.as_ptr()
    }

    /// The first byte as a pointer to write to. Making it touches nothing.
    #[inline]
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.space.as_ptr()
    }

    /// The size in bytes of its pages.
    #[inline]
    #[must_use]
    pub fn page_size(&self) -> usize {
        mmarinus_sys::page_size()
    }

    /// The owner of the pages.
    #[inline]
    fn space(&self) -> &Space {
        &self.space
    }
}

impl Builder<'static, Private, Unset, New> {
    /// Reserves what was asked for, rounded up to whole pages, without memory: `mmap` with `PROT_NONE`.
    ///
    /// Address and alignment are what can be asked for; a reservation has no pages that other options could speak of.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::Map;
    ///
    /// let reservation = Map::bytes(1 << 40).near(1 << 45).aligned_to(1 << 30).reserve()?;
    /// assert_eq!(reservation.len(), 1 << 40);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EEXIST`: something is mapped where [`at`](Self::at) says, or the main thread's stack may grow down to there.
    /// - `EINVAL`: the address is in page 0 or not at a page, the alignment is no power of two, or an option speaks of pages.
    /// - `ENOMEM`: more than `isize::MAX` bytes, or no room: address space, `RLIMIT_AS`, `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn reserve(mut self) -> Result<Reservation, Error> {
        let region = loop {
            let mut prepared = self.prepare(ProtFlags::empty())?;
            if prepared.flags != MapFlags::PRIVATE || prepared.fork.is_some() || prepared.guarded {
                return Err(self.refused(Reason::NoPagesYet).into());
            }
            // Whole pages are its own, so all of them are its bytes.
            prepared.layout = prepared
                .layout
                .and_then(|layout| Layout::new(0, layout.len(), layout.page_shift()));
            let region = self.map(prepared)?;
            let (start, len) = region.pages();
            if self.place.address == 0 || len == 0 || !stack::may_reach(start, start + len) {
                break region;
            }
            let figures = [len, start];
            if self.place.exactly {
                return Err(Cause::refused(Operation::Mmap, Reason::NearStack, figures).into());
            }
            self.place.address = 0; // It was a hint only.
        };
        Ok(Reservation::of(region))
    }
}

impl Reservation {
    /// The reservation of new inaccessible pages.
    fn of(region: Region) -> Self {
        // SAFETY: `reserve` has just mapped the region, in ordinary whole pages, private, of no file and without permissions;
        // or it has no pages.
        let space = unsafe { Space::of(region) };
        Self { space }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("addr", &format_args!("{:#x}", self.addr()))
            .field("len", &self.len())
            .finish()
    }
}
