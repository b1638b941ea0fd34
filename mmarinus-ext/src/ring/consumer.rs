//! The half of a ring that reads.

use core::fmt;
use core::time::Duration;
use std::io::{self, BufRead, IoSliceMut, Read};
use std::sync::Arc;

use super::end::End;
use super::error::{Error, SetupError};
use super::header::Reads;
use super::memory::Memory;
use super::peer::Peer;
use super::protocol::Half;
use crate::memfd::{Memfd, SizeSealed};

/// The most bytes that are copied ahead for [`BufRead`].
const AHEAD: usize = 16 << 10;

/// The half of a ring that reads. The other one is a [`Producer`](super::Producer), of another thread or process.
///
/// See [the module](super). As [`Read`] it waits for bytes, as long as [`set_timeout`](Self::set_timeout) says: at first for
/// ever. It ends where the producer was dropped; that the producer's process died is an error instead.
///
/// As [`BufRead`] it lends bytes of a buffer of its own, into which it has copied them: what lies in the ring the other side may
/// write while it is looked at, if it does not keep to the protocol, and nothing that was checked would stay true.
///
/// # Examples
///
/// See [`Ring::split`](super::Ring::split) for threads, and [`Producer::create`](super::Producer::create) for processes.
pub struct Consumer {
    end: End<Reads>,
    /// A buffer, in which `next..filled` was copied ahead and is still to be read.
    ahead: Vec<u8>,
    next: usize,
    filled: usize,
}

impl Consumer {
    pub(super) fn new(memory: Arc<Memory>, half: Half, peer: Option<Peer>) -> Self {
        Self {
            end: End::new(memory, half, peer),
            ahead: Vec::new(),
            next: 0,
            filled: 0,
        }
    }

    /// Makes a ring of at least `capacity` bytes, rounded up to whole pages, whose producer is to be in another process:
    /// `memfd_create`. The file is what to send to that process, which [attaches](super::Producer::attach) to it.
    ///
    /// # Examples
    ///
    /// See [`Producer::create`](super::Producer::create).
    ///
    /// # Errors
    ///
    /// As for [`Producer::create`](super::Producer::create).
    ///
    /// # References
    ///
    /// [memfd_create(2)](https://man7.org/linux/man-pages/man2/memfd_create.2.html)
    pub fn create(capacity: usize, peer: Peer) -> Result<(Self, Memfd<SizeSealed>), SetupError> {
        let (memory, memfd) = Memory::create(capacity)?;
        Ok((Self::take(memory, peer)?, memfd))
    }

    /// Becomes the consumer of a ring that another process has made by [`Producer::create`](super::Producer::create).
    ///
    /// The file may come from anybody: its seals, its size and its header are verified. It is not needed afterwards. How large
    /// the ring is was chosen by who made it; [`len`](Memfd::<SizeSealed>::len) tells before.
    ///
    /// # Errors
    ///
    /// As for [`Producer::attach`](super::Producer::attach), with the consumer for the producer.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn attach(memfd: &Memfd<SizeSealed>, peer: Peer) -> Result<Self, SetupError> {
        Self::take(Memory::attach(memfd)?, peer)
    }

    fn take(memory: Memory, peer: Peer) -> Result<Self, SetupError> {
        memory.header.take::<Reads>()?;
        let half = Half::consumer(memory.capacity(), 0, 0);
        Ok(Self::new(Arc::new(memory), half, Some(peer)))
    }

    /// The most bytes that the ring holds: a whole number of pages.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.end.capacity()
    }

    /// Waits for bytes no longer than this; for ever if there is none, as at first; and not at all if it is 0, where what finds
    /// no bytes is [`Error::WouldBlock`].
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.end.timeout = timeout;
    }

    /// How many bytes are there to be read.
    ///
    /// # Errors
    ///
    /// - [`Error::Impossible`]: the producer does not keep to the protocol.
    #[inline]
    pub fn available(&mut self) -> Result<usize, Error> {
        self.end.look()?;
        Ok(self.ahead().len() + self.end.mine())
    }

    /// Waits until `n` bytes are there to be read; returns how many are. Fewer are only there if no more will come, since the
    /// producer was dropped.
    ///
    /// # Errors
    ///
    /// - [`Error::TooMuch`]: the ring never has as many.
    /// - [`Error::WouldBlock`], [`Error::TimedOut`]: there are fewer, and it does not wait, or no longer.
    /// - [`Error::Died`]: there are fewer, and the process with the producer has died.
    /// - [`Error::Impossible`]: the producer does not keep to the protocol.
    #[inline]
    pub fn wait_for(&mut self, n: usize) -> Result<usize, Error> {
        let capacity = self.capacity();
        if n > capacity {
            return Err(Error::TooMuch { asked: n, capacity });
        }
        let left = n.saturating_sub(self.ahead().len());
        self.end.reach(left, self.end.timeout)?;
        Ok(self.ahead().len() + self.end.mine())
    }

    /// Reads as many bytes as there are, up to the length of `bytes`, and does not wait. None mean the end: the producer was
    /// dropped.
    ///
    /// # Errors
    ///
    /// - [`Error::WouldBlock`]: there are none yet.
    /// - [`Error::Impossible`]: the producer does not keep to the protocol.
    #[inline]
    pub fn try_read(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        self.read_within(bytes, Some(Duration::ZERO))
    }

    /// The next `n` bytes, once they are there, or more; they are still to be read. Fewer are only there if no more will come,
    /// since the producer was dropped. So the head of a record is looked at before the record is read.
    ///
    /// The bytes are copied, once: what was looked at is what is read, whatever the producer does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use mmarinus_ext::ring::Ring;
    ///
    /// let (mut producer, mut consumer) = Ring::new(1 << 16)?.split()?;
    /// producer.write_all(b"\x05hello\x03abc")?;
    ///
    /// let len = usize::from(consumer.peek(1)?[0]);
    /// let mut record = vec![0; 1 + len];
    /// consumer.read_exact(&mut record)?;
    /// assert_eq!(record, b"\x05hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`wait_for`](Self::wait_for).
    pub fn peek(&mut self, n: usize) -> Result<&[u8], Error> {
        self.wait_for(n)?;
        let missing = n.saturating_sub(self.ahead().len());
        self.copy_ahead(missing.min(self.end.mine()))?;
        Ok(self.ahead())
    }

    /// What was copied ahead and is still to be read.
    #[inline]
    fn ahead(&self) -> &[u8] {
        &self.ahead[self.next..self.filled]
    }

    /// Copies `n` more bytes ahead, which are there.
    fn copy_ahead(&mut self, n: usize) -> Result<(), Error> {
        if self.ahead.len() - self.filled < n {
            self.ahead.copy_within(self.next..self.filled, 0);
            (self.next, self.filled) = (0, self.filled - self.next);
            let most = self.ahead.len().max(AHEAD.min(self.capacity()));
            self.ahead.resize(most.max(self.filled + n), 0);
        }
        let end = self.filled + n;
        self.end.read(0, &mut self.ahead[self.filled..end])?;
        self.filled = end;
        self.end.give(n);
        Ok(())
    }

    /// Reads what there is, once there is something.
    #[inline]
    fn read_within(&mut self, bytes: &mut [u8], timeout: Option<Duration>) -> Result<usize, Error> {
        if !self.ahead().is_empty() {
            return Ok(self.read_ahead(bytes));
        }
        if self.end.mine() < bytes.len() {
            // What is left from before may be less than there is by now.
            self.end.look()?;
            self.end.reach(1, timeout)?;
        }
        let n = bytes.len().min(self.end.mine());
        self.end.read(0, &mut bytes[..n])?;
        self.end.give(n);
        Ok(n)
    }

    /// Reads what was copied ahead.
    #[cold]
    fn read_ahead(&mut self, bytes: &mut [u8]) -> usize {
        let n = self.ahead().len().min(bytes.len());
        bytes[..n].copy_from_slice(&self.ahead()[..n]);
        self.next += n;
        n
    }

    /// Whether nobody writes any more: the producer was dropped, or its process has died. What it had written before is still
    /// there.
    #[must_use]
    pub fn is_alone(&mut self) -> bool {
        self.end.is_alone()
    }
}

/// Reads what there is, once there is something.
impl Read for Consumer {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_within(bytes, self.end.timeout)?)
    }

    fn read_vectored(&mut self, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut done = 0;
        for part in parts.iter_mut().filter(|part| !part.is_empty()) {
            // Only the first bytes are waited for.
            let timeout = if done == 0 {
                self.end.timeout
            } else {
                Some(Duration::ZERO)
            };
            match self.read_within(part, timeout) {
                Ok(n) => {
                    done += n;
                    // The next part starts where this one is full.
                    if n < part.len() {
                        break;
                    }
                }
                Err(_) if done != 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }
}

/// What was copied ahead is the buffer.
impl BufRead for Consumer {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ahead().is_empty() {
            self.end.reach(1, self.end.timeout)?;
            (self.next, self.filled) = (0, 0);
            self.copy_ahead(self.end.mine().min(AHEAD))?;
        }
        Ok(self.ahead())
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        self.next += n.min(self.ahead().len());
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
