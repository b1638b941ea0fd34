//! Maps of a receiver, which are used again when the same buffer comes again.

use mmarinus::{Map, Shared, backing, perms};

use crate::memfd::{Error, Memfd, SizeSealed};

/// The other side of a [`Pool`](super::Pool): the maps of the buffers that a peer has sent, so that a buffer which comes again is
/// not mapped again, and its pages are there.
///
/// A descriptor that comes is a new one each time; that it is the same file is the kernel's word, not the peer's. It serves one
/// peer, as the pool does.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use mmarinus_ext::ipc::{Connection, Maps, Pool};
///
/// let (near, far) = std::os::unix::net::UnixStream::pair()?;
/// let (mut near, mut far) = (Connection::new(near), Connection::new(far));
/// let (mut pool, mut maps) = (Pool::new(1 << 16), Maps::new());
/// for round in 0..3_u8 {
///     let mut buffer = pool.take()?;
///     buffer.write_at(0, &[round; 100])?;
///     near.send(b"look", &[buffer.as_fd()])?;
///
///     // In the other process:
///     let (_, mut files) = far.receive()?.expect("a message").memfds()?;
///     let map = maps.map(files.remove(0))?;
///     let mut bytes = [0; 100];
///     map.read_at(0, &mut bytes)?;
///     assert_eq!(bytes, [round; 100]);
///     far.send(b"done", &[])?;
///
///     near.receive()?.expect("an answer");
///     pool.give_back(buffer);
/// }
/// assert_eq!((pool.made(), maps.made()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Maps {
    /// At most so many are kept.
    keep: usize,
    made: usize,
    /// The one that was used last is the last. No two are of the same file: a map keeps its file, so its numbers stay its own.
    maps: Vec<([u64; 2], Mapped)>,
}

/// What is made of a buffer that comes.
type Mapped = Map<perms::ReadWrite, Shared, backing::SizeSealed>;

impl Maps {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            keep: 16,
            made: 0,
            maps: Vec::new(),
        }
    }

    /// Keeps no more than this many maps, and at least one; 16 at first. The one that was not used for longest goes first, so
    /// that a peer with ever new files takes no more than that.
    #[must_use]
    pub fn keep(mut self, count: usize) -> Self {
        self.keep = count.max(1);
        self
    }

    /// A map of all of this file: the one that was made of it before, if it is still kept, or else a new one. The peer may be
    /// writing to the file at the same time; its [`view`](Map::view) writes as well.
    ///
    /// # Errors
    ///
    /// As mapping the file: `EPERM` if it was sealed against writing, `ENOMEM`, `EINVAL` where memory may not be overcommitted.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn map(&mut self, memfd: Memfd<SizeSealed>) -> Result<&Mapped, Error> {
        let identity = memfd.identity()?;
        let known = self.maps.iter().position(|(known, _)| *known == identity);
        let found = match known {
            Some(index) => self.maps.remove(index),
            None => {
                let map = memfd.map().with_kind(Shared).with(perms::ReadWrite)?;
                self.made += 1;
                (identity, map)
            }
        };
        let surplus = (self.maps.len() + 1).saturating_sub(self.keep);
        self.maps.drain(..surplus);
        self.maps.push(found);
        let last = self.maps.len() - 1;
        Ok(&self.maps[last].1)
    }

    /// How many maps were made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.made
    }

    /// How many maps are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.maps.len()
    }
}

impl Default for Maps {
    fn default() -> Self {
        Self::new()
    }
}
