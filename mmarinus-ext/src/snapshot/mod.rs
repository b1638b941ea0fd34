//! Any file or reader as a sealed file in memory: an honest `&[u8]` of it, which can be mapped again and again.
//!
//! A map of a file is no snapshot: others can write and truncate the file as long as it is mapped. A copy in a sealed memfd
//! cannot change any more, for nobody, so its maps have slices, and [`ipc`](crate::ipc) can send it to another process.
//!
//! The copy is made by the kernel where it can: `copy_file_range`, `sendfile` or `splice`, and by `read` where it cannot. What
//! is sealed already is not copied at all. The snapshot holds what was read, and is exactly as long: if the file grows, shrinks
//! or changes meanwhile, it may be of no single moment.
//!
//! # Examples
//!
//! ```
//! use mmarinus::perms;
//! use mmarinus_ext::snapshot;
//!
//! let passwd = snapshot::load("/etc/passwd")?;
//! let map = passwd.map().with(perms::Read)?;
//! let text = std::str::from_utf8(&map)?; // And it stays UTF-8, whoever edits the file now.
//! assert!(text.contains("root"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! [copy_file_range(2)](https://man7.org/linux/man-pages/man2/copy_file_range.2.html),
//! [sendfile(2)](https://man7.org/linux/man-pages/man2/sendfile.2.html),
//! [splice(2)](https://man7.org/linux/man-pages/man2/splice.2.html)

mod copy;
mod options;

use std::io::{Read, Result};
use std::os::fd::AsFd;
use std::path::Path;

pub use options::Options;

use crate::memfd::{Memfd, Sealed};

/// Makes a snapshot of the file at a path, which is opened for reading. As [`of`].
///
/// # Errors
///
/// What opening the file says; else as [`of`].
pub fn load(path: impl AsRef<Path>) -> Result<Memfd<Sealed>> {
    Options::new().load(path)
}

/// Makes a snapshot of an open file: from its first byte on, whatever its position, which stays where it is.
///
/// What is sealed already comes back as a second descriptor, whose position for [`Read`] is that of the first.
///
/// What has no first byte, such as a pipe, a socket or a terminal, is read from here on to its end.
///
/// # Examples
///
/// ```
/// use mmarinus::perms;
/// use mmarinus_ext::snapshot;
///
/// let (reader, writer) = std::io::pipe()?;
/// std::io::Write::write_all(&mut &writer, b"through a pipe")?;
/// drop(writer);
/// let map = snapshot::of(&reader)?.map().with(perms::Read)?;
/// assert_eq!(&map[..], b"through a pipe");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// - `EBADF`: the descriptor is not open for reading.
/// - `EFBIG`: it is longer than `RLIMIT_FSIZE` allows.
/// - `EISDIR`: it is a directory.
/// - `EAGAIN`: it does not block, and has not ended; what was read of it is lost.
/// - `EMFILE`, `ENOMEM`, `ENOSPC`: descriptors or memory ran out.
/// - What reading the file says.
pub fn of<F: AsFd + ?Sized>(fd: &F) -> Result<Memfd<Sealed>> {
    Options::new().of(fd)
}

/// Makes a snapshot of what a reader gives, to its end.
///
/// # Examples
///
/// ```
/// use mmarinus::perms;
/// use mmarinus_ext::snapshot;
///
/// let map = snapshot::read(&b"from a slice"[..])?.map().with(perms::Read)?;
/// assert_eq!(&map[..], b"from a slice");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// What the reader says, and what making a memfd says; `EFBIG` if the reader gives more than `RLIMIT_FSIZE` allows.
pub fn read(reader: impl Read) -> Result<Memfd<Sealed>> {
    Options::new().read(reader)
}
