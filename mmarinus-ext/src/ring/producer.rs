//! The half of a ring that writes.

use core::fmt;
use core::time::Duration;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use super::end::End;
use super::error::{Error, SetupError};
use super::header::Writes;
use super::memory::Memory;
use super::peer::Peer;
use super::protocol::Half;
use crate::memfd::{Memfd, SizeSealed};

/// The half of a ring that writes. The other one is a [`Consumer`](super::Consumer), of another thread or process.
///
/// See [the module](super). As [`Write`] it waits for room, as long as [`set_timeout`](Self::set_timeout) says: at first for
/// ever. Each call gives all that it has written to the consumer, at once. Dropped, it is the end for whoever reads.
///
/// # Examples
///
/// See [`Ring::split`](super::Ring::split) for threads, and [`Producer::create`] for processes.
pub struct Producer {
    end: End<Writes>,
}

impl Producer {
    pub(super) fn new(memory: Arc<Memory>, half: Half, peer: Option<Peer>) -> Self {
        Self {
            end: End::new(memory, half, peer),
        }
    }

    /// Makes a ring of at least `capacity` bytes, rounded up to whole pages, whose consumer is to be in another process:
    /// `memfd_create`. The file is what to send to that process, which [attaches](super::Consumer::attach) to it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::os::fd::AsFd;
    /// use mmarinus_ext::ipc::Connection;
    /// use mmarinus_ext::memfd::SizeSealed;
    /// use mmarinus_ext::ring::{Consumer, Peer, Producer};
    ///
    /// let (near, far) = std::os::unix::net::UnixStream::pair()?;
    /// let (mut producer, memfd) = Producer::create(1 << 16, Peer::behind(&near)?)?;
    /// Connection::new(near).send(b"a ring", &[memfd.as_fd()])?;
    /// producer.write_all(b"hello")?;
    /// drop(producer);
    ///
    /// // In the other process:
    /// let peer = Peer::behind(&far)?;
    /// let (_, files) = Connection::new(far).receive()?.expect("a message").memfds::<SizeSealed>()?;
    /// let mut consumer = Consumer::attach(&files[0], peer)?;
    /// let mut text = String::new();
    /// consumer.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - [`SetupError::TooLarge`]: more than 1 GiB.
    /// - [`SetupError::Memfd`], [`SetupError::Map`]: what the kernel says: `EMFILE`, `ENOMEM`; `EFBIG` where `RLIMIT_FSIZE`
    ///   allows no file of this size; `EINVAL` where memory may not be overcommitted (`vm.overcommit_memory` is 2).
    ///
    /// # References
    ///
    /// [memfd_create(2)](https://man7.org/linux/man-pages/man2/memfd_create.2.html)
    pub fn create(capacity: usize, peer: Peer) -> Result<(Self, Memfd<SizeSealed>), SetupError> {
        let (memory, memfd) = Memory::create(capacity)?;
        Ok((Self::take(memory, peer)?, memfd))
    }

    /// Becomes the producer of a ring that another process has made by [`Consumer::create`](super::Consumer::create).
    ///
    /// The file may come from anybody: its seals, its size and its header are verified. It is not needed afterwards. How large
    /// the ring is was chosen by who made it; [`len`](Memfd::<SizeSealed>::len) tells before.
    ///
    /// # Errors
    ///
    /// - [`SetupError::NoRing`], [`OtherVersion`](SetupError::OtherVersion), [`OtherCapacity`](SetupError::OtherCapacity),
    ///   [`TooLarge`](SetupError::TooLarge): the file is something else.
    /// - [`SetupError::Taken`]: it has, or had, a producer.
    /// - [`SetupError::Map`]: what the kernel says: `ENOMEM`; `EPERM`, it was sealed against writing; `EINVAL` where memory may
    ///   not be overcommitted.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn attach(memfd: &Memfd<SizeSealed>, peer: Peer) -> Result<Self, SetupError> {
        Self::take(Memory::attach(memfd)?, peer)
    }

    fn take(memory: Memory, peer: Peer) -> Result<Self, SetupError> {
        memory.header.take::<Writes>()?;
        let half = Half::producer(memory.capacity(), 0, 0);
        Ok(Self::new(Arc::new(memory), half, Some(peer)))
    }

    /// The most bytes that the ring holds: a whole number of pages.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.end.capacity()
    }

    /// Waits for room no longer than this; for ever if there is none, as at first; and not at all if it is 0, where what finds no
    /// room is [`Error::WouldBlock`].
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.end.timeout = timeout;
    }

    /// How many bytes there is room for.
    ///
    /// # Errors
    ///
    /// - [`Error::Impossible`]: the consumer does not keep to the protocol.
    #[inline]
    pub fn room(&mut self) -> Result<usize, Error> {
        self.end.look()?;
        Ok(self.end.mine())
    }

    /// Waits until there is room for `n` bytes at once; returns for how many there is then.
    ///
    /// # Errors
    ///
    /// - [`Error::TooMuch`]: the ring never has as much.
    /// - [`Error::WouldBlock`], [`Error::TimedOut`]: there is less, and it does not wait, or no longer.
    /// - [`Error::Closed`], [`Error::Died`]: the consumer is gone.
    /// - [`Error::Impossible`]: the consumer does not keep to the protocol.
    #[inline]
    pub fn wait_for_room(&mut self, n: usize) -> Result<usize, Error> {
        let capacity = self.capacity();
        if n > capacity {
            return Err(Error::TooMuch { asked: n, capacity });
        }
        self.end.reach(n, self.end.timeout)?;
        self.still_read()?;
        Ok(self.end.mine())
    }

    /// Writes as many of the bytes as there is room for, and does not wait.
    ///
    /// # Errors
    ///
    /// - [`Error::WouldBlock`]: there is no room.
    /// - [`Error::Closed`]: the consumer was dropped. (That is not looked for as long as there is room from before.)
    /// - [`Error::Impossible`]: the consumer does not keep to the protocol.
    #[inline]
    pub fn try_write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.write_within(bytes, Some(Duration::ZERO))
    }

    /// Writes as many of the bytes as there is room for, once there is some.
    #[inline]
    fn write_within(&mut self, bytes: &[u8], timeout: Option<Duration>) -> Result<usize, Error> {
        let n = self.room_for(bytes.len(), timeout)?;
        self.end.write(0, &bytes[..n])?;
        self.end.give(n);
        Ok(n)
    }

    /// For how many of `len` bytes there is room, once there is some.
    #[inline]
    fn room_for(&mut self, len: usize, timeout: Option<Duration>) -> Result<usize, Error> {
        if self.end.mine() < len {
            // What is left from before may be less than there is by now.
            self.end.look()?;
            self.end.reach(1, timeout)?;
        }
        self.still_read()?;
        Ok(len.min(self.end.mine()))
    }

    /// Refuses to write what nobody reads.
    #[inline]
    fn still_read(&self) -> Result<(), Error> {
        if self.end.has_ended() {
            return Err(Error::Closed);
        }
        Ok(())
    }

    /// Whether nobody reads any more: the consumer was dropped, or its process has died.
    #[must_use]
    pub fn is_alone(&mut self) -> bool {
        self.end.is_alone()
    }
}

/// Writes as much as there is room for, once there is some.
impl Write for Producer {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.write_within(bytes, self.end.timeout)?)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = parts
            .iter()
            .fold(0_usize, |len, part| len.saturating_add(part.len()));
        let n = self.room_for(len, self.end.timeout)?;
        let mut done = 0;
        for part in parts {
            let now = part.len().min(n - done);
            self.end.write(done, &part[..now])?;
            done += now;
        }
        self.end.give(n);
        Ok(n)
    }

    /// Does nothing: what was written, the consumer has.
    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
