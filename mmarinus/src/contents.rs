//! The bytes of a whole file, read or mapped, whichever is faster.
#![expect(unsafe_code, reason = "passes on a promise about a file")]

use core::fmt;
use core::ops::Deref;
use std::path::Path;
use std::vec::Vec;

use mmarinus_sys::Errno;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::pread;

use crate::backing::{Backing, File, NoRace, Stable};
use crate::error::{Cause, Error, Operation, Reason};
use crate::fault::Fault;
use crate::kind::Private;
use crate::load::open;
use crate::map::Map;
use crate::perms;
use crate::source::Source;

/// The length in bytes from which on a file is mapped. For fewer bytes, one copy costs less than the faults of a map.
const MAPPED_FROM: u64 = 1 << 20;

/// The bytes of a whole file: read into memory if they are few, and mapped if they are many. Needs the feature `std`.
///
/// A map costs a few microseconds before its first byte is there, and a fault for each few pages; reading costs a copy. Which
/// is faster is decided by the length alone: files below 1 MiB are read. Below 64 KiB this is faster than [`std::fs::read`],
/// since it asks for the length once and reads as much; far above 1 MiB it saves a third of the time, and the memory for a copy.
///
/// Others may change a file that is mapped. So the bytes are copied from, by [`read_at`](Self::read_at); there are slices once
/// it is promised that nobody does, by [`assume_stable`](Self::assume_stable).
///
/// # Examples
///
/// ```
/// use mmarinus::Contents;
///
/// let passwd = Contents::load("/etc/passwd")?;
/// let mut start = [0; 4];
/// passwd.read_at(0, &mut start)?;
/// assert_eq!(&start, b"root");
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// # References
///
/// [pread(2)](https://man7.org/linux/man-pages/man2/pread.2.html),
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
pub struct Contents<B: Backing<Private> = File>(Held<B>);

/// Where the bytes are.
enum Held<B: Backing<Private>> {
    Read(Vec<u8>),
    Mapped(Map<perms::Read, Private, B>),
}

impl Contents {
    /// Opens a file and reads or maps all of it.
    ///
    /// There are as many bytes as the file had when it was looked at; fewer if it becomes shorter while it is read. A file that
    /// the kernel makes up (`/proc`, `/sys`) has a length of 0 and is read to its end.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory for the bytes, or what [`Map::load`] says.
    /// - `EIO`: the storage failed.
    /// - What [`Map::load`] says of paths and of what is no file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::of(&open(path.as_ref(), OFlags::RDONLY)?)
    }

    /// Reads or maps all of an open file, from its first byte on, whatever its position.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load); `EBADF` if the descriptor is not open for reading.
    pub fn of<F: AsFd + ?Sized>(file: &F) -> Result<Self, Error> {
        let fd = file.as_fd();
        let stat = fstat(fd).map_err(|errno| Cause::kernel(Operation::Fstat, errno, [0, 0]))?;
        let len = stat.st_size as u64;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if is_file && len < MAPPED_FROM {
            // Less than that fits.
            return Ok(Self(Held::Read(read(fd, len as usize)?)));
        }
        let source = Source::of(&fd)?;
        Ok(Self(Held::Mapped(Map::whole(&source).with(perms::Read)?)))
    }

    /// Promises that nobody else touches the file, which gives slices: rung 3 of [the ladder](crate#the-ladder).
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::Contents;
    ///
    /// let passwd = Contents::load("/etc/passwd")?;
    /// // SAFETY: whoever changes this file writes a new one and renames it.
    /// let passwd = unsafe { passwd.assume_stable() };
    /// let lines = passwd.iter().filter(|byte| **byte == b'\n').count();
    /// assert!(lines >= 1);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Safety
    ///
    /// As for [`Map::assume_stable`], for all of the file; if it was read, and not mapped, nothing needs to be true.
    #[must_use]
    pub unsafe fn assume_stable(self) -> Contents<Stable> {
        Contents(match self.0 {
            Held::Read(bytes) => Held::Read(bytes),
            // SAFETY: the caller's promise.
            Held::Mapped(map) => Held::Mapped(unsafe { map.assume_stable() }),
        })
    }
}

impl<B: Backing<Private>> Contents<B> {
    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Held::Read(bytes) => bytes.len(),
            Held::Mapped(map) => map.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the file is mapped, so that changes of it are seen and [`read_at`](Self::read_at) can fail.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(self.0, Held::Mapped(_))
    }

    /// Copies bytes from `offset` on into all of `buf`.
    ///
    /// # Errors
    ///
    /// As for [`Map::read_at`]. What was read, and not mapped, is `EINVAL` past its end, and nothing else.
    pub fn read_at(&self, offset: usize, buf: &mut [u8]) -> Result<(), Fault> {
        match &self.0 {
            Held::Read(bytes) => {
                let from = bytes.get(offset..).and_then(|rest| rest.get(..buf.len()));
                let from = from
                    .ok_or_else(|| Fault::refused(Operation::Read, Reason::OutOfRange, offset))?;
                buf.copy_from_slice(from);
                Ok(())
            }
            Held::Mapped(map) => map.read_at(offset, buf),
        }
    }
}

impl<B: NoRace<Private>> Deref for Contents<B> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Read(bytes) => bytes,
            Held::Mapped(map) => map,
        }
    }
}

impl<B: NoRace<Private>> AsRef<[u8]> for Contents<B> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<B: Backing<Private>> fmt::Debug for Contents<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("len", &self.len())
            .field("is_mapped", &self.is_mapped())
            .finish()
    }
}

/// Reads a file of `len` bytes; to its end if it does not say how many it has.
fn read(fd: BorrowedFd<'_>, len: usize) -> Result<Vec<u8>, Error> {
    let failed = |errno, done| Cause::kernel(Operation::Pread, errno, [len, done]);
    let mut bytes = Vec::new();
    loop {
        let done = bytes.len();
        if done == bytes.capacity() {
            let more = if done == 0 { len } else { done };
            let more = more.max(4096 * usize::from(len == 0));
            let reserved = bytes.try_reserve_exact(more);
            reserved.map_err(|_| failed(Errno::NOMEM, done))?;
        }
        match pread(fd, spare_capacity(&mut bytes), done as u64) {
            Ok(0) => return Ok(bytes),
            Ok(_) if len != 0 && bytes.len() >= len => {
                bytes.truncate(len); // It may have grown.
                return Ok(bytes);
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => Err(failed(errno, done))?,
        }
    }
}
