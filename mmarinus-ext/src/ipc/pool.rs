//! Buffers for messages, which are used again: a file of a fixed size and its map.

use core::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use mmarinus::backing::Written;
use mmarinus::{Fault, HugePage, Map, Shared, perms};

use crate::memfd::{Error, Memfd, Open, Options, SizeSealed, State};

/// Buffers of one size for messages to one peer. What is [given back](Self::give_back) is handed out again, with its memory and
/// its map; so a message costs neither a new file, nor a map, nor zeroed pages.
///
/// A buffer may be used again when the peer says that it is done with it: nothing else stops the peer from reading on, or from
/// writing. So it holds what was last written to it, by either side, and a pool serves one peer only, or peers that may see each
/// other's messages. The peer keeps its maps by [`Maps`](super::Maps).
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use mmarinus::{Shared, perms};
/// use mmarinus_ext::ipc::{Connection, Pool};
/// use mmarinus_ext::memfd::SizeSealed;
///
/// let (near, far) = std::os::unix::net::UnixStream::pair()?;
/// let (mut near, mut far) = (Connection::new(near), Connection::new(far));
/// let mut pool = Pool::new(1 << 16);
///
/// for round in 0..3_u8 {
///     let mut buffer = pool.take()?;
///     buffer.write_at(0, &[round; 100])?;
///     near.send(b"look", &[buffer.as_fd()])?;
///
///     // In the other process:
///     let (_, files) = far.receive()?.expect("a message").memfds::<SizeSealed>()?;
///     let map = files[0].map().with_kind(Shared).with(perms::Read)?;
///     let mut bytes = [0; 100];
///     map.read_at(0, &mut bytes)?;
///     assert_eq!(bytes, [round; 100]);
///     far.send(b"done", &[])?;
///
///     near.receive()?.expect("an answer");
///     pool.give_back(buffer);
/// }
/// assert_eq!(pool.made(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pool<S: State = SizeSealed> {
    /// The length of a buffer in bytes.
    len: usize,
    /// At most so many are kept.
    keep: usize,
    made: usize,
    free: Vec<Buffer<S>>,
    /// Which pool it is: no other has the same one.
    mark: Arc<()>,
    make: fn(usize, Option<HugePage>) -> Result<Memfd<S>, Error>,
    huge: Option<HugePage>,
}

/// A buffer of a [`Pool`]: a map that can be written, and, by [`AsFd`], its file.
#[derive(Debug)]
pub struct Buffer<S: State = SizeSealed> {
    map: Map<perms::ReadWrite, Shared, S::Backing>,
    memfd: Memfd<S>,
    /// That of the pool that made it, which is nobody else's as long as the buffer has it.
    mark: Arc<()>,
}

impl Pool<SizeSealed> {
    /// Buffers of `len` bytes, whose size is sealed: either side has atomics in them.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self::with(len, None, |len, _| {
            Ok(Memfd::create("buffer", len as u64)?.seal_size()?)
        })
    }
}

impl Pool<Open> {
    /// Buffers of `len` bytes in huge pages, rounded up to whole ones. They are copied from and to: as long as they can be
    /// written, their pages can go. A buffer whose pages the peer has taken away is an error when it is copied from or to: drop
    /// it then, instead of giving it back.
    #[must_use]
    pub fn in_huge_pages(len: usize, size: HugePage) -> Self {
        Self::with(len, Some(size), |len, size| {
            let options = Options::new().huge_pages(size.unwrap_or_default());
            options.create("huge buffer", len as u64)
        })
    }
}

impl<S: State> Pool<S> {
    fn with(
        len: usize,
        huge: Option<HugePage>,
        make: fn(usize, Option<HugePage>) -> Result<Memfd<S>, Error>,
    ) -> Self {
        Self {
            len,
            keep: 16,
            made: 0,
            free: Vec::new(),
            mark: Arc::new(()),
            make,
            huge,
        }
    }

    /// Keeps no more than this many buffers that are free; 16 at first.
    #[must_use]
    pub fn keep(mut self, count: usize) -> Self {
        self.keep = count;
        self
    }

    /// A buffer that is free, or else a new one, which is zeros. One that was used holds what was written to it, by us or by
    /// the peer; [`clear`](Buffer::clear) makes it zeros.
    ///
    /// # Errors
    ///
    /// As [`Memfd::create`], [`Memfd::seal_size`], and mapping the file: `EINVAL` where memory may not be overcommitted; and in
    /// huge pages what they say.
    pub fn take(&mut self) -> Result<Buffer<S>, Error> {
        if let Some(buffer) = self.free.pop() {
            return Ok(buffer);
        }
        let memfd = (self.make)(self.len, self.huge)?;
        let map = memfd.map_range(0, self.len).with_kind(Shared);
        let map = map.with(perms::ReadWrite)?;
        self.made += 1;
        let mark = Arc::clone(&self.mark);
        Ok(Buffer { map, memfd, mark })
    }

    /// Takes back a buffer with which the peer is done. If enough are kept, it is unmapped; and so is one of another pool, of
    /// whatever size, since another peer has its file, which could read what is then written for this one.
    pub fn give_back(&mut self, buffer: Buffer<S>) {
        if self.free.len() < self.keep && Arc::ptr_eq(&self.mark, &buffer.mark) {
            self.free.push(buffer);
        }
    }

    /// How many buffers were made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.made
    }

    /// How many buffers are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.len()
    }
}

impl Buffer<SizeSealed> {
    /// Makes it zeros, and gives its memory back: `fallocate` with `FALLOC_FL_PUNCH_HOLE`.
    ///
    /// # Errors
    ///
    /// - `EPERM`: the peer has sealed the file against writing. Drop the buffer.
    pub fn clear(&mut self) -> Result<(), Error> {
        match self.memfd.len() {
            0 => Ok(()),
            len => self.memfd.punch_hole(0, len),
        }
    }
}

/// What a buffer has: `read_at`, `view`, and `atomics` if its size is sealed.
impl<S: State> Deref for Buffer<S> {
    type Target = Map<perms::ReadWrite, Shared, S::Backing>;

    fn deref(&self) -> &Self::Target {
        &self.map
    }
}

impl<S: State> Buffer<S>
where
    S::Backing: Written<Shared>,
{
    /// Copies bytes into the buffer, as [`Map::write_at`].
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the bytes do not lie in the buffer.
    /// - `EFAULT`: its pages are gone, as those of huge pages can be.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) -> Result<(), Fault> {
        self.map.write_at(offset, bytes)
    }
}

/// The file, to send it.
impl<S: State> AsFd for Buffer<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memfd.as_fd()
    }
}
