//! The buffer: elements in committed memory, as a slice that grows.

use core::borrow::{Borrow, BorrowMut};
use core::fmt;
use core::marker::PhantomData;
use core::mem::needs_drop;
use core::ops::{Deref, DerefMut};
use std::io;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::error::Error;
use super::options::Options;
use super::space::{Space, Uncommitted};

/// What a [`Buffer`] can hold: values that any bytes are, and that are nothing but their bytes, by the traits of `zerocopy`.
///
/// A type that has no size, that is aligned to more than 4096 bytes, or that does something when it is dropped, does not
/// compile as an element.
pub trait Element: FromBytes + IntoBytes + Immutable {}

impl<T: FromBytes + IntoBytes + Immutable> Element for T {}

/// Elements in a row, as in a `Vec`, whose address never moves: not when it grows, and not when the buffer itself is moved.
///
/// See [the module](super) for what that is good for. [`Options`] says how memory is committed.
///
/// # Examples
///
/// ```
/// use mmarinus_ext::grow::{Buffer, Error};
///
/// let mut buffer = Buffer::<u32>::new(3)?;
/// buffer.extend_from_slice(&[1, 2])?;
/// buffer.push(3)?;
/// let full = buffer.push(4).unwrap_err();
/// assert!(matches!(full, Error::Full { limit: 3 }));
/// assert_eq!(buffer[..], [1, 2, 3]);
/// assert_eq!(buffer.pop(), Some(3));
/// # Ok::<(), Error>(())
/// ```
pub struct Buffer<T = u8> {
    /// Has `len` elements at least.
    space: Space,
    len: usize,
    limit: usize,
    elements: PhantomData<T>,
}

impl<T: Element> Buffer<T> {
    /// Makes an empty buffer with addresses for `limit` elements, which cost no memory until they are used.
    ///
    /// # Examples
    ///
    /// See [`Buffer`].
    ///
    /// # Errors
    ///
    /// As for [`Options::create`].
    pub fn new(limit: usize) -> Result<Self, Error> {
        Options::new().create(limit)
    }

    /// The buffer in a space that has addresses for so many elements.
    pub(super) fn of(space: Space, limit: usize) -> Self {
        const {
            assert!(size_of::<T>() != 0, "an element has a size");
            assert!(
                align_of::<T>() <= 4096,
                "an element is aligned to a page at most"
            );
            assert!(!needs_drop::<T>(), "elements are never dropped");
        }
        Self {
            space,
            len: 0,
            limit,
            elements: PhantomData,
        }
    }

    /// The number of elements.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// For how many elements memory is committed: up to so many, growing makes no system call.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        (self.space.bytes().len() / size_of::<T>()).min(self.limit)
    }

    /// For how many elements addresses were reserved.
    #[inline]
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The address of the first element, also of the one that is still to come. It starts at a page, and never changes.
    #[inline]
    #[must_use]
    pub fn addr(&self) -> usize {
        self.space.addr()
    }

    /// The elements.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        let bytes = &self.space.bytes()[..self.len * size_of::<T>()];
        // Nothing has no aligned address. Else it is whole elements from the start of a page on.
        <[T]>::ref_from_bytes(bytes).unwrap_or_default()
    }

    /// The elements, to be written.
    #[inline]
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.part_mut(0, self.len)
    }

    /// Puts an element to the end.
    ///
    /// # Examples
    ///
    /// See [`Buffer`].
    ///
    /// # Errors
    ///
    /// As for [`reserve`](Self::reserve).
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), Error> {
        self.extend_from_slice(core::slice::from_ref(&value))
    }

    /// Takes the last element away.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let last = self.as_slice().last()?;
        let value = T::read_from_bytes(last.as_bytes()).ok()?;
        self.len -= 1;
        Some(value)
    }

    /// Puts copies of elements to the end: all of them or none.
    ///
    /// # Examples
    ///
    /// See [`Buffer`].
    ///
    /// # Errors
    ///
    /// As for [`reserve`](Self::reserve).
    #[inline]
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result<(), Error> {
        self.reserve(values.len())?;
        let new = self.part_mut(self.len, values.len());
        new.as_mut_bytes().copy_from_slice(values.as_bytes());
        self.len += values.len();
        Ok(())
    }

    /// Makes it `len` elements long: by copies of `value` at the end, or by taking the last ones away.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus_ext::grow::{Buffer, Error};
    ///
    /// let mut buffer = Buffer::new(1 << 20)?;
    /// buffer.resize(3, 7_u16)?;
    /// buffer.resize(2, 0)?;
    /// assert_eq!(buffer[..], [7, 7]);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`reserve`](Self::reserve).
    pub fn resize(&mut self, len: usize, value: T) -> Result<(), Error> {
        let more = len.saturating_sub(self.len);
        self.reserve(more)?;
        for new in self.part_mut(self.len, more) {
            new.as_mut_bytes().copy_from_slice(value.as_bytes());
        }
        self.len = len;
        Ok(())
    }

    /// Takes the elements from `len` on away, if there are any. Their memory stays committed.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Takes all elements away. Their memory stays committed.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Commits memory for `additional` elements more, at least: `mprotect`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus_ext::grow::{Buffer, Error};
    ///
    /// let mut buffer = Buffer::<u64>::new(1 << 40)?;
    /// buffer.reserve(1 << 20)?;
    /// assert!(buffer.capacity() >= 1 << 20);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The elements are all there, where they were.
    ///
    /// - [`Error::Full`]: more than the limit.
    /// - [`Error::Map`] with `ENOMEM`: commit limit, `RLIMIT_DATA`, `RLIMIT_AS`, `vm.max_map_count`; with `EAGAIN`, `EFAULT` or
    ///   `EHWPOISON` if pages could not be brought in at once; with `EINVAL` if the kernel has no transparent huge pages.
    ///
    /// # References
    ///
    /// [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html),
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    #[inline]
    pub fn reserve(&mut self, additional: usize) -> Result<(), Error> {
        if additional <= self.capacity() - self.len {
            return Ok(());
        }
        let full = Error::Full { limit: self.limit };
        match self.len.checked_add(additional) {
            // The limit is no more bytes than there can be, so this is no more either.
            Some(len) if len <= self.limit => match self.space.commit(len * size_of::<T>()) {
                Ok(()) => Ok(()),
                Err(Uncommitted::Full(bytes)) => {
                    // A replacement that failed half way has lost addresses.
                    self.limit = bytes / size_of::<T>();
                    Err(Error::Full { limit: self.limit })
                }
                Err(Uncommitted::Refused(error)) => Err(error.into()),
            },
            _ => Err(full),
        }
    }

    /// Gives the memory back that no element is in, but for the rest of a page: `mmap` with `PROT_NONE` over it. The addresses
    /// stay reserved.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus_ext::grow::{Buffer, Error};
    ///
    /// let mut buffer = Buffer::new(1 << 30)?;
    /// buffer.resize(1 << 20, 1_u8)?;
    /// buffer.truncate(10);
    /// buffer.shrink_to_fit()?;
    /// assert!(buffer.capacity() < 1 << 20);
    /// assert_eq!(buffer[..], [1; 10]);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`shrink_to`](Self::shrink_to).
    pub fn shrink_to_fit(&mut self) -> Result<(), Error> {
        self.shrink_to(0)
    }

    /// As [`shrink_to_fit`](Self::shrink_to_fit), but keeps memory for `capacity` elements if it has so much.
    ///
    /// # Errors
    ///
    /// [`Error::Map`] with `ENOMEM`: `vm.max_map_count`. Nothing changed.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn shrink_to(&mut self, capacity: usize) -> Result<(), Error> {
        let keep = capacity.max(self.len).min(self.capacity());
        Ok(self.space.release(keep * size_of::<T>())?)
    }

    /// `len` elements from `start` on, for which memory is committed.
    fn part_mut(&mut self, start: usize, len: usize) -> &mut [T] {
        let bytes = &mut self.space.bytes_mut()[start * size_of::<T>()..][..len * size_of::<T>()];
        // As in `as_slice`.
        <[T]>::mut_from_bytes(bytes).unwrap_or_default()
    }
}

impl<T: Element> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: Element> DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        self.as_mut_slice()
    }
}

impl<T: Element> AsRef<[T]> for Buffer<T> {
    #[inline]
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T: Element> AsMut<[T]> for Buffer<T> {
    #[inline]
    fn as_mut(&mut self) -> &mut [T] {
        self
    }
}

impl<T: Element> Borrow<[T]> for Buffer<T> {
    #[inline]
    fn borrow(&self) -> &[T] {
        self
    }
}

impl<T: Element> BorrowMut<[T]> for Buffer<T> {
    #[inline]
    fn borrow_mut(&mut self) -> &mut [T] {
        self
    }
}

impl<'a, T: Element> IntoIterator for &'a Buffer<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: Element> IntoIterator for &'a mut Buffer<T> {
    type Item = &'a mut T;
    type IntoIter = core::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// Writes to the end: all of what is given, or nothing.
impl io::Write for Buffer<u8> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes)?;
        Ok(bytes.len())
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T: Element + fmt::Debug> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
