//! Bytes between a view and a descriptor, straight from and to the mapped pages: no buffer between.
#![expect(
    unsafe_code,
    reason = "the kernel reads and writes bytes of maps by address"
)]

use core::ffi::c_void;

use mmarinus_sys::fd::{AsFd, BorrowedFd};
use mmarinus_sys::{self as sys, Errno, IoVec};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, tell};
use rustix::process::{Resource, getrlimit};

use crate::backing::{Backing, Unsliced, Written};
use crate::error::{Operation, Reason};
use crate::extent::Extent;
use crate::fault::Fault;
use crate::kind::Kind;
use crate::perms::{MayRead, MayWrite, Permissions};
use crate::view::View;

impl<P: Permissions, K: Kind, B: Backing<K>> View<'_, P, K, B> {
    /// `writev(fd, view)`—Writes all bytes of the view to a descriptor, and returns how many: all, unless it takes no more.
    ///
    /// The kernel copies from the mapped pages, and a page that is gone is an error. What a call leaves (a pipe that is full, a
    /// signal that came between, the limit of 2 GiB) is written by further calls.
    ///
    /// Writing to a pipe that nobody reads sends SIGPIPE, as writing to a file does; Rust programs ignore it by default. A file
    /// is not written past `RLIMIT_FSIZE`, for which the kernel would send SIGXFSZ: where there is a limit, the offset is looked
    /// at before each call. Whoever moves the offset of the same open file meanwhile, or makes a file longer that is appended
    /// to, can still bring the signal about.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Seek};
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let map = Map::bytes(8192).anywhere().anonymously().with_kind(Shared).with(perms::ReadWrite)?;
    /// let view = map.view(1000..1005)?;
    /// view.write_at(0, b"hello")?;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// assert_eq!(view.write_to_fd(&file)?, 5);
    /// file.rewind()?;
    /// let mut text = String::new();
    /// file.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The [`Fault`] says how many bytes were written before it, by [`copied`](Fault::copied).
    ///
    /// - `EACCES` if permissions known at run time only do not include reading.
    /// - `EAGAIN` if the descriptor is non-blocking and takes nothing now.
    /// - `EBADF` if it is not open for writing.
    /// - `EFAULT` if a page of the map is gone.
    /// - `EFBIG` if the file would pass `RLIMIT_FSIZE`, or the largest size of its file system.
    /// - `EDQUOT`, `EINVAL`, `EIO`, `ENOSPC`, `EPERM`, `EPIPE` as `write` says.
    ///
    /// # References
    ///
    /// [writev(2)](https://man7.org/linux/man-pages/man2/writev.2.html)
    pub fn write_to_fd(&self, fd: impl AsFd) -> Result<usize, Fault>
    where
        P: MayRead,
    {
        let fd = fd.as_fd();
        write_all(self.readable()?, |range, _| {
            check_limit(fd, None)?;
            // SAFETY: the bytes are those of a map that lives, made by the kernel, and its owner may read them (`MayRead`).
            unsafe { sys::writev(fd, &[range]) }
        })
    }

    /// `pwritev(fd, view, offset)`—As [`write_to_fd`](Self::write_to_fd), to an offset in bytes, leaving the descriptor's own
    /// where it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let mut map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map.fill(7);
    /// let file = tempfile::tempfile()?;
    /// assert_eq!(map.view(..100)?.write_to_fd_at(&file, 1000)?, 100);
    /// assert_eq!(file.metadata()?.len(), 1100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`write_to_fd`](Self::write_to_fd), and:
    ///
    /// - `EINVAL` if the offset is above 2^63 - 1.
    /// - `ESPIPE` if the descriptor has no offsets: a pipe, a socket.
    ///
    /// # References
    ///
    /// [pwritev(2)](https://man7.org/linux/man-pages/man2/pwritev.2.html)
    pub fn write_to_fd_at(&self, fd: impl AsFd, offset: u64) -> Result<usize, Fault>
    where
        P: MayRead,
    {
        let fd = fd.as_fd();
        write_all(self.readable()?, |range, done| {
            let offset = offset.checked_add(done as u64).ok_or(Errno::INVAL)?;
            check_limit(fd, Some(offset))?;
            // SAFETY: as in `write_to_fd`.
            unsafe { sys::pwritev(fd, &[range], offset) }
        })
    }

    /// `readv(fd, view)`—Reads from a descriptor into the view, and returns how many bytes; 0 is the end of a file.
    ///
    /// The kernel copies to the mapped pages, beside others that may use them; a page that is gone is an error. There is one
    /// call, which may read fewer bytes than the view has: what a pipe holds now, the rest of a file, what comes before a page
    /// that is gone, at most 2 GiB. To wait for more could be to wait for ever; the rest is `view.sub(count..)`. A call that a
    /// signal ends before it has read anything is made again.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let map = Map::bytes(4096).anywhere().anonymously().with_kind(Shared).with(perms::ReadWrite)?;
    /// let zeros = std::fs::File::open("/dev/zero")?;
    /// let view = map.view(100..200)?;
    /// view.write_at(0, &[7; 100])?;
    /// assert_eq!(view.read_from_fd(&zeros)?, 100);
    /// let mut bytes = [1; 100];
    /// view.copy_to(&mut bytes)?;
    /// assert_eq!(bytes, [0; 100]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Nothing was read then, and [`copied`](Fault::copied) is 0.
    ///
    /// - `EACCES` if permissions known at run time only do not include writing.
    /// - `EAGAIN` if the descriptor is non-blocking and has nothing now.
    /// - `EBADF` if it is not open for reading.
    /// - `EFAULT` if the first page of the view is gone.
    /// - `EINVAL`, `EIO`, `EISDIR` as `read` says.
    ///
    /// # References
    ///
    /// [readv(2)](https://man7.org/linux/man-pages/man2/readv.2.html)
    pub fn read_from_fd(&self, fd: impl AsFd) -> Result<usize, Fault>
    where
        P: MayWrite,
        B: Unsliced<K> + Written<K>,
    {
        let fd = fd.as_fd();
        read_once(self.writable()?, |range| {
            // SAFETY:
            // - The bytes lie in a map that lives, no slice of it exists (`Unsliced`), and safe code may write it (`Written`).
            // - To atomics on them the kernel is as another process.
            unsafe { sys::readv(fd, &[range]) }
        })
    }

    /// `preadv(fd, view, offset)`—As [`read_from_fd`](Self::read_from_fd), from an offset in bytes, leaving the descriptor's own
    /// where it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"hello, world")?;
    /// let map = Map::bytes(4096).anywhere().anonymously().with_kind(Shared).with(perms::ReadWrite)?;
    /// assert_eq!(map.view(..)?.read_from_fd_at(&file, 7)?, 5);
    /// let mut bytes = [0; 6];
    /// map.read_at(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"world\0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`read_from_fd`](Self::read_from_fd), and:
    ///
    /// - `EINVAL` if the offset is above 2^63 - 1.
    /// - `ESPIPE` if the descriptor has no offsets: a pipe, a socket.
    ///
    /// # References
    ///
    /// [preadv(2)](https://man7.org/linux/man-pages/man2/preadv.2.html)
    pub fn read_from_fd_at(&self, fd: impl AsFd, offset: u64) -> Result<usize, Fault>
    where
        P: MayWrite,
        B: Unsliced<K> + Written<K>,
    {
        let fd: BorrowedFd<'_> = fd.as_fd();
        read_once(self.writable()?, |range| {
            // SAFETY: as in `read_from_fd`.
            unsafe { sys::preadv(fd, &[range], offset) }
        })
    }

    /// Where the bytes are, if the permissions include reading.
    fn readable(&self) -> Result<Extent, Fault>
    where
        P: MayRead,
    {
        if self.perms().may_read() {
            Ok(self.extent())
        } else {
            Err(Fault::refused(Operation::WriteTo, Reason::Forbidden, 0))
        }
    }

    /// Where the bytes are, if the permissions include writing.
    fn writable(&self) -> Result<Extent, Fault>
    where
        P: MayWrite,
    {
        if self.perms().may_write() {
            Ok(self.extent())
        } else {
            Err(Fault::refused(Operation::ReadFrom, Reason::Forbidden, 0))
        }
    }
}

/// The bytes of `extent` from `done` on, for the kernel.
fn rest(extent: Extent, done: usize) -> IoVec {
    let first = extent.as_ptr().wrapping_add(done);
    IoVec::new(first.cast::<c_void>(), extent.len() - done)
}

/// Refuses what would begin at or behind `RLIMIT_FSIZE`, for which the kernel ends the process by SIGXFSZ. What begins before it
/// is cut there by the kernel. Whatever else is wrong with the descriptor or the offset is for the kernel to say.
fn check_limit(fd: BorrowedFd<'_>, offset: Option<u64>) -> Result<(), Errno> {
    match getrlimit(Resource::Fsize).current {
        Some(limit) if start_of_write(fd, offset).is_some_and(|start| start >= limit) => {
            Err(Errno::FBIG)
        }
        _ => Ok(()),
    }
}

/// The byte of a file at which a write would begin, if `fd` is a file that can be written there.
#[cold]
fn start_of_write(fd: BorrowedFd<'_>, offset: Option<u64>) -> Option<u64> {
    let (stat, flags) = (fstat(fd).ok()?, fcntl_getfl(fd).ok()?);
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !is_file || flags & OFlags::ACCMODE == OFlags::RDONLY {
        return None;
    }
    let start = match offset {
        Some(offset) if offset > i64::MAX as u64 => return None,
        _ if flags.contains(OFlags::APPEND) => stat.st_size as u64,
        Some(offset) => offset,
        None => tell(fd).ok()?,
    };
    Some(start)
}

/// Calls `write` with what is left, and how much is done, until nothing is left or nothing more is taken.
fn write_all(
    extent: Extent,
    mut write: impl FnMut(IoVec, usize) -> Result<usize, Errno>,
) -> Result<usize, Fault> {
    let mut done = 0;
    while done < extent.len() {
        match write(rest(extent, done), done) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Fault::stopped(Operation::WriteTo, errno, 0, done)),
        }
    }
    Ok(done)
}

/// Calls `read` until no signal is in its way.
fn read_once(
    extent: Extent,
    mut read: impl FnMut(IoVec) -> Result<usize, Errno>,
) -> Result<usize, Fault> {
    if extent.len() == 0 {
        return Ok(0);
    }
    loop {
        match read(rest(extent, 0)) {
            Err(Errno::INTR) => {}
            done => return done.map_err(|errno| Fault::stopped(Operation::ReadFrom, errno, 0, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::ptr::NonNull;

    use super::*;

    fn extent(len: usize) -> Extent {
        Extent::new(NonNull::dangling(), len, 0, 12, true)
    }

    #[test]
    fn writing_goes_on_after_signals_and_short_counts() {
        let mut answers = [Err(Errno::INTR), Ok(3), Err(Errno::INTR), Ok(5), Ok(2)].into_iter();
        let mut starts = std::vec::Vec::new();
        let done = write_all(extent(10), |range, done| {
            assert_eq!(range.len(), 10 - done);
            assert_eq!(range.base().addr(), 1 + done);
            starts.push(done);
            answers.next().unwrap()
        });
        assert_eq!(done, Ok(10));
        assert_eq!(starts, [0, 0, 3, 3, 8]);
    }

    #[test]
    fn writing_says_how_much_was_done_before_an_error() {
        let mut answers = [Ok(3), Err(Errno::AGAIN)].into_iter();
        let fault = write_all(extent(10), |_, _| answers.next().unwrap()).unwrap_err();
        assert_eq!(
            (fault.errno(), fault.copied(), fault.offset()),
            (Errno::AGAIN, 3, 3)
        );
        let mut answers = [Ok(3), Ok(0)].into_iter();
        assert_eq!(write_all(extent(10), |_, _| answers.next().unwrap()), Ok(3));
        assert_eq!(write_all(extent(0), |_, _| Err(Errno::IO)), Ok(0));
    }

    #[test]
    fn reading_is_one_call_that_signals_do_not_count_in() {
        let mut answers = [Err(Errno::INTR), Err(Errno::INTR), Ok(3)].into_iter();
        assert_eq!(read_once(extent(10), |_| answers.next().unwrap()), Ok(3));
        let fault = read_once(extent(10), |_| Err(Errno::IO)).unwrap_err();
        assert_eq!((fault.errno(), fault.copied()), (Errno::IO, 0));
        assert_eq!(read_once(extent(0), |_| Err(Errno::IO)), Ok(0));
    }
}
