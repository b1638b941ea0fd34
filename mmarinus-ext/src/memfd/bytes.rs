//! The bytes of a file in memory, by its descriptor: copies in and out.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use mmarinus_sys::{FallocateFlags, fallocate};

use super::error::{Cause, Error, Step};
use super::file::Memfd;
use super::limit::{check, file_limit};
use super::state::{State, Writable};

impl<S: State> Memfd<S> {
    /// Copies the bytes from `offset` on: `pread`. The position stays where it is.
    ///
    /// # Errors
    ///
    /// - [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): the file ends before `buf` is full.
    ///
    /// # References
    ///
    /// [pread(2)](https://man7.org/linux/man-pages/man2/pread.2.html)
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.as_file().read_exact_at(buf, offset)
    }
}

impl<S: State> Memfd<S> {
    /// Copies bytes to `offset` and what follows: `pwrite`. The position stays where it is. An [`Open`](super::Open) file grows.
    ///
    /// # Examples
    ///
    /// ```
    /// # use mmarinus_ext::memfd::Memfd;
    /// let memfd = Memfd::create("note", 0)?;
    /// memfd.write_at(0, b"hello")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What is sealed is not written; that does not compile:
    ///
    /// ```compile_fail,E0277
    /// # use mmarinus_ext::memfd::Memfd;
    /// let memfd = Memfd::create("note", 0)?.seal()?;
    /// memfd.write_at(0, b"hello")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EFBIG`: past what `RLIMIT_FSIZE` allows; nothing is written.
    /// - `EINVAL`: the file is in huge pages, which are written by maps only.
    /// - `EPERM`: past the end of a file of a fixed size; somebody else has sealed the file against writing.
    /// - `EBADF`: the descriptor came from somewhere else, and is for reading only.
    ///
    /// # References
    ///
    /// [pwrite(2)](https://man7.org/linux/man-pages/man2/pwrite.2.html)
    pub fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()>
    where
        S: Writable,
    {
        check(Step::Write, offset, buf.len() as u64).map_err(Error::from)?;
        self.as_file().write_all_at(buf, offset)
    }

    /// Copies all that a reader gives to the position and what follows; returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// What the reader or [`write`](Write::write) says. What came before is in the file.
    pub fn write_from(&mut self, mut reader: impl Read) -> io::Result<u64>
    where
        S: Writable,
    {
        match file_limit() {
            None => io::copy(&mut reader, &mut self.as_file()),
            // The kernel copies what std can hand over to it, and would pass the limit.
            Some(_) => io::copy(&mut reader, self),
        }
    }

    /// Turns bytes to zeros and gives their memory back, for all who have the file: `fallocate` with `FALLOC_FL_PUNCH_HOLE`.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: `len` is 0; `offset` or `len` is 2^63 or more. In huge pages only whole pages become holes.
    /// - `EPERM`: somebody else has sealed the file against writing.
    ///
    /// # References
    ///
    /// [fallocate(2)](https://man7.org/linux/man-pages/man2/fallocate.2.html)
    pub fn punch_hole(&self, offset: u64, len: u64) -> Result<(), Error>
    where
        S: Writable,
    {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(self, flags, offset, len)
            .map_err(|errno| Cause::kernel(Step::Punch, errno).into())
    }
}

/// The position belongs to the descriptor: who has a duplicate, in another process too, moves the same one.
impl<S: State> Read for Memfd<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.as_file().read(buf)
    }
}

/// As [`write_at`](Memfd::write_at), at the position; up to the limit that `RLIMIT_FSIZE` sets.
impl<S: Writable> Write for Memfd<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        write(self.as_file(), buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As for [`File`], a descriptor that is shared can be written.
impl<S: Writable> Write for &Memfd<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        write(self.as_file(), buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes at the position what a file may have there.
fn write(mut file: &File, buf: &[u8]) -> io::Result<usize> {
    let Some(limit) = file_limit() else {
        return file.write(buf);
    };
    // Whoever shares the position may move it meanwhile; so what was looked at is used.
    let position = file.stream_position()?;
    let room = limit.saturating_sub(position);
    if room == 0 && !buf.is_empty() {
        return Err(Error::from(Cause::limit(Step::Write, limit)).into());
    }
    let len = buf.len().min(usize::try_from(room).unwrap_or(usize::MAX));
    let written = file.write_at(&buf[..len], position)?;
    file.seek(SeekFrom::Start(position + written as u64))?;
    Ok(written)
}

impl<S: State> Seek for Memfd<S> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.as_file().seek(position)
    }
}
