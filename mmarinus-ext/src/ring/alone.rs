//! A ring of one owner: its contents and its room are slices.

use core::fmt;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use mmarinus::{Error, Mirror};

use super::consumer::Consumer;
use super::error::{SetupError, Unsplit};
use super::memory::Memory;
use super::producer::Producer;
use super::protocol::{Half, MAX_CAPACITY};

/// A queue of bytes of a fixed capacity, whose contents and whose room are one slice each.
///
/// See [the module](super). As [`Read`] it ends where it is empty, and as [`Write`] it takes no more where it is full, as slices
/// do; both go on when there is something, or room, again.
///
/// # Examples
///
/// ```
/// use mmarinus_ext::ring::Ring;
///
/// let mut ring = Ring::new(1)?;
/// let capacity = ring.capacity(); // A page.
/// ring.commit(capacity - 2);
/// ring.consume(capacity - 2);
/// ring.writable()[..5].copy_from_slice(b"hello"); // Across the end.
/// ring.commit(5);
/// assert_eq!(ring.readable(), b"hello");
/// # Ok::<(), mmarinus::Error>(())
/// ```
pub struct Ring {
    mirror: Mirror,
    /// Where the contents start: below the capacity, or 0.
    start: usize,
    /// How many bytes there are: at most the capacity.
    len: usize,
}

impl Ring {
    /// Makes an empty ring of at least `capacity` bytes, rounded up to whole pages: [`Mirror::anonymous`].
    ///
    /// # Examples
    ///
    /// See [`Ring`].
    ///
    /// # Errors
    ///
    /// `ENOMEM`: twice the length is more than `isize::MAX` bytes, or no room: address space, `RLIMIT_AS`, commit limit,
    /// `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn new(capacity: usize) -> Result<Self, Error> {
        Ok(Self {
            mirror: Mirror::anonymous(capacity)?,
            start: 0,
            len: 0,
        })
    }

    /// The most bytes that it holds: a whole number of pages.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.mirror.capacity()
    }

    /// The number of bytes in it.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing in it.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there is no room in it.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len == self.capacity()
    }

    /// All bytes that are in it, oldest first.
    #[inline]
    #[must_use]
    pub fn readable(&self) -> &[u8] {
        // In range, by what the fields are.
        self.mirror.slice(self.start, self.len).unwrap_or_default()
    }

    /// All bytes that are in it, oldest first, to be changed.
    #[inline]
    #[must_use]
    pub fn readable_mut(&mut self) -> &mut [u8] {
        self.mirror
            .slice_mut(self.start, self.len)
            .unwrap_or_default()
    }

    /// All the room there is, for the bytes to come. What is in it is left from earlier; [`commit`](Self::commit) says how
    /// much of it is written.
    #[inline]
    #[must_use]
    pub fn writable(&mut self) -> &mut [u8] {
        let (end, room) = (self.at(self.len), self.capacity() - self.len);
        self.mirror.slice_mut(end, room).unwrap_or_default()
    }

    /// Makes the first `n` bytes of the room the last ones in the ring, as they are.
    ///
    /// # Panics
    ///
    /// If there is less room.
    #[inline]
    pub fn commit(&mut self, n: usize) {
        assert!(
            n <= self.capacity() - self.len,
            "more bytes than there is room for"
        );
        self.len += n;
    }

    /// Takes the first `n` bytes out.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.len, "more bytes than there are");
        self.start = self.at(n);
        self.len -= n;
    }

    /// Takes all bytes out.
    #[inline]
    pub fn clear(&mut self) {
        self.consume(self.len);
    }

    /// Splits it into a half that writes and one that reads, for two threads. What is in it stays in it.
    ///
    /// From then on its bytes may be written while they are read, so the halves copy. For another process, see
    /// [`Producer::create`] and [`Consumer::create`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{BufRead, Write};
    /// use mmarinus_ext::ring::Ring;
    ///
    /// let mut ring = Ring::new(1 << 16)?;
    /// ring.write_all(b"first\n")?;
    /// let (mut producer, consumer) = ring.split()?;
    /// let thread = std::thread::spawn(move || consumer.lines().collect::<Result<Vec<_>, _>>());
    /// producer.write_all(b"second\nthird")?;
    /// drop(producer); // The end for whoever reads.
    /// assert_eq!(thread.join().unwrap()?, ["first", "second", "third"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The ring comes back.
    ///
    /// - [`SetupError::TooLarge`]: it holds no byte, or more than 1 GiB.
    /// - [`SetupError::Map`]: `ENOMEM`: there is no room for another page.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn split(self) -> Result<(Producer, Consumer), Unsplit> {
        let capacity = self.capacity();
        let too_large = || SetupError::TooLarge { capacity };
        let header = match Memory::header() {
            Ok(header) if (1..=MAX_CAPACITY).contains(&capacity) => header,
            Ok(_) => return Err(Unsplit::new(self, too_large())),
            Err(error) => return Err(Unsplit::new(self, error.into())),
        };
        let (start, len) = (self.start, self.len);
        header.start_at(start, start + len);
        let memory = Arc::new(Memory::new(header, self.mirror.expose()));
        let producer = Half::producer(capacity, start, len);
        let consumer = Half::consumer(capacity, start, len);
        Ok((
            Producer::new(Arc::clone(&memory), producer, None),
            Consumer::new(memory, consumer, None),
        ))
    }

    /// The position `n` bytes after the first one; `n` is at most the capacity.
    #[inline]
    fn at(&self, n: usize) -> usize {
        let position = self.start + n;
        if position >= self.capacity() {
            position - self.capacity()
        } else {
            position
        }
    }
}

/// Reads what is in it; nothing where it is empty.
impl Read for Ring {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = bytes.len().min(self.len);
        bytes[..n].copy_from_slice(&self.readable()[..n]);
        self.consume(n);
        Ok(n)
    }
}

/// What is in it is the buffer.
impl BufRead for Ring {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.readable())
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        Self::consume(self, n);
    }
}

/// Writes as much as there is room for; nothing where it is full.
impl Write for Ring {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.writable();
        let n = bytes.len().min(room.len());
        room[..n].copy_from_slice(&bytes[..n]);
        self.commit(n);
        Ok(n)
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
