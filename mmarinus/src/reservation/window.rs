//! Part of a reservation, borrowed: copies by the kernel, from and to whatever is placed there.
#![expect(unsafe_code, reason = "writes what may be a device's")]

use core::fmt;
use core::ops::{Range, RangeBounds};

use super::Reservation;
use crate::copy::Stop;
use crate::error::{Cause, Error, Operation, Reason};
use crate::fault::Fault;
use crate::range::resolve;
use crate::region::{Uncopied, Writer};

/// Some bytes of a [`Reservation`], as a window that can be copied and sent to other threads.
///
/// All copies are the kernel's (`process_vm_readv`, `process_vm_writev`), which looks at what is placed there when it copies:
/// pages without the permission, guards, truncated files and what nothing is placed in are an `Err`. Others may use the bytes
/// meanwhile.
///
/// Offsets are in bytes from the start of the window.
///
/// # Examples
///
/// ```
/// use mmarinus::{ProtFlags, Reservation};
///
/// let reservation = Reservation::new(1 << 30)?;
/// reservation.protect(0..1 << 16, ProtFlags::READ | ProtFlags::WRITE)?;
/// let view = reservation.view(4096..8192)?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| view.write_at(0, b"hello"));
/// });
/// let mut bytes = [0; 5];
/// reservation.view(4096..)?.read_at(0, &mut bytes)?;
/// assert_eq!(&bytes, b"hello");
/// # Ok::<(), mmarinus::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Window<'res> {
    reservation: &'res Reservation,
    /// `start <= end`, and both lie in the reservation.
    start: usize,
    end: usize,
}

impl<'res> Window<'res> {
    /// All of a reservation.
    #[inline]
    pub(super) fn new(reservation: &'res Reservation) -> Self {
        Self {
            reservation,
            start: 0,
            end: reservation.len(),
        }
    }

    /// The length in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether the length is 0.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The address of the first byte.
    #[inline]
    #[must_use]
    pub fn addr(&self) -> usize {
        self.as_ptr().addr()
    }

    /// The first byte as a pointer to read from. Making it touches nothing.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.reservation.as_ptr().wrapping_add(self.start)
    }

    /// A part of the window.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range does not lie in the window.
    #[inline]
    pub fn sub(&self, range: impl RangeBounds<usize>) -> Result<Self, Error> {
        let range = resolve(range, self.len())
            .map_err(|figures| Cause::refused(Operation::View, Reason::OutOfRange, figures))?;
        Ok(Self {
            reservation: self.reservation,
            start: self.start + range.start,
            end: self.start + range.end,
        })
    }

    /// The window in pieces of `size` bytes, the last of which may be shorter.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{ProtFlags, Reservation};
    ///
    /// let reservation = Reservation::new(1 << 20)?;
    /// reservation.protect(.., ProtFlags::READ)?;
    /// let mut buffer = [1; 1 << 16];
    /// for chunk in reservation.view(..)?.chunks(buffer.len()) {
    ///     let len = chunk.copy_to(&mut buffer)?;
    ///     assert!(buffer[..len].iter().all(|byte| *byte == 0));
    /// }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `size` is 0.
    #[must_use = "chunks are an iterator"]
    pub fn chunks(&self, size: usize) -> impl ExactSizeIterator<Item = Self> + use<'res> {
        assert!(size != 0, "chunks of 0 bytes never end");
        let window = *self;
        (0..window.len().div_ceil(size)).map(move |index| {
            let start = window.start + index * size;
            Self {
                start,
                end: start + size.min(window.end - start),
                ..window
            }
        })
    }

    /// Copies bytes from `offset` on into all of `buf`: `process_vm_readv`.
    ///
    /// # Errors
    ///
    /// The [`Fault`] says how many bytes were copied before it.
    ///
    /// - `EFAULT` if nothing is placed there, it may not be read, is guarded or gone, or the range was given up.
    /// - `EINVAL` if the bytes do not lie in the window.
    /// - `EPERM` or `ENOSYS` if seccomp or the kernel's configuration forbids `process_vm_readv`.
    ///
    /// # References
    ///
    /// [process_vm_readv(2)](https://man7.org/linux/man-pages/man2/process_vm_readv.2.html)
    #[inline]
    pub fn read_at(&self, offset: usize, buf: &mut [u8]) -> Result<(), Fault> {
        let range = self.bytes(Operation::Read, offset, buf.len())?;
        self.reservation
            .space()
            .read(range.start, buf)
            .map_err(|why| fault(Operation::Read, offset, why))
    }

    /// Copies as many bytes as both have from the start of the window to the start of `buf`, and says how many.
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at).
    #[inline]
    pub fn copy_to(&self, buf: &mut [u8]) -> Result<usize, Fault> {
        let len = self.len().min(buf.len());
        self.read_at(0, &mut buf[..len])?;
        Ok(len)
    }

    /// Copies `buf` to `offset` and following: `process_vm_writev`. Others may read or write the bytes meanwhile, and may see any
    /// mix of old and new.
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at), with writing for reading; and `EACCES` if a device was ever placed in the
    /// reservation, or in one that it was cut from or joined of.
    ///
    /// # References
    ///
    /// [process_vm_writev(2)](https://man7.org/linux/man-pages/man2/process_vm_writev.2.html)
    #[inline]
    pub fn write_at(&self, offset: usize, buf: &[u8]) -> Result<(), Fault> {
        let range = self.bytes(Operation::Write, offset, buf.len())?;
        // SAFETY: safe code does not write devices.
        let written = unsafe {
            self.reservation
                .space()
                .write(range.start, buf, Writer::Safe)
        };
        written.map_err(|why| fault(Operation::Write, offset, why))
    }

    /// Copies `buf` to `offset` and following, where a device may be placed.
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
    pub unsafe fn write_device_at(&self, offset: usize, buf: &[u8]) -> Result<(), Fault> {
        let range = self.bytes(Operation::Write, offset, buf.len())?;
        let space = self.reservation.space();
        // SAFETY: the caller knows what the bytes do.
        let written = unsafe { space.write(range.start, buf, Writer::Knowing) };
        written.map_err(|why| fault(Operation::Write, offset, why))
    }

    /// The bytes of the reservation that are meant, if they lie in the window.
    #[inline]
    fn bytes(
        &self,
        operation: Operation,
        offset: usize,
        len: usize,
    ) -> Result<Range<usize>, Fault> {
        if offset > self.len() || len > self.len() - offset {
            return Err(Fault::refused(operation, Reason::OutOfRange, offset));
        }
        let start = self.start + offset;
        Ok(start..start + len)
    }
}

/// What the caller is told of a copy that was not made, or not whole.
#[cold]
fn fault(operation: Operation, offset: usize, why: Uncopied) -> Fault {
    match why {
        Uncopied::Refused(reason) => Fault::refused(operation, reason, offset),
        Uncopied::Stopped(Stop { errno, copied }) => {
            Fault::stopped(operation, errno, offset, copied)
        }
    }
}

impl fmt::Debug for Window<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("addr", &format_args!("{:#x}", self.addr()))
            .field("len", &self.len())
            .finish()
    }
}
