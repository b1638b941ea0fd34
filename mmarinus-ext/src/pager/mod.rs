//! Maps whose pages a closure makes, when they are first touched.
//!
//! | the closure | gives | which is | how |
//! | --- | --- | --- | --- |
//! | cannot fail: [`supplied`] | [`Supplied`] | a slice: rung 3 | who touches a missing page waits while a thread makes it |
//! | can fail: [`paged`] | [`Paged`] | copies: rung 1 | who copies a page makes it; the closure's error is its [`Fault`] |
//!
//! The closure gets an offset into the map and the bytes that lie there, which are zeros, and fills them in. It is called once
//! for each step of the map, a page if nothing else is said ([`Options::step`]), and never for two at a time. The last step
//! ends where the map does. What was made stays, in private memory.
//!
//! # What cannot go on
//!
//! A slice has no way to say that a byte could not be made. So for [`Supplied`] the process is aborted, with a message, when
//! the closure panics, when the kernel has no memory for a page, and when the closure touches a missing page of its own map,
//! which nobody else could make. For [`Paged`] these are a panic of the copy, and errors.
//!
//! A closure that waits for another thread, which waits for a page of the same map, waits for itself; so do the closures of
//! two maps that touch each other's missing pages in two threads. That is not noticed, as it is not for locks.
//!
//! Memory that is locked as it is mapped (`mlockall` with `MCL_FUTURE`) is made page by page as well; the pages are then there
//! to stay.
//!
//! # Privileges
//!
//! Both work without any since Linux 5.11, unless a sandbox forbids userfaultfd; before, and for faults of the kernel,
//! userfaultfd needs `CAP_SYS_PTRACE` or `vm.unprivileged_userfaultfd` = 1. What is then different: a system call that is handed
//! a missing page of a [`Supplied`] map, as `write(2)` of the slice, fails with `EFAULT` instead of waiting
//! ([`Supply::is_user_mode_only`](mmarinus::supply::Supply::is_user_mode_only) tells). Touch the pages first. For [`Paged`], from
//! which no system call copies but its own, nothing is.
//!
//! # Forks
//!
//! A forked child has nobody who makes pages. A copy from or to a [`Paged`] map is an error there. The slice of a [`Supplied`]
//! one holds there what was made before, and zeros elsewhere. Dropping either is harmless.
//!
//! # Examples
//!
//! A table that is computed where it is looked at:
//!
//! ```
//! use mmarinus_ext::pager;
//!
//! let squares = |offset: usize, bytes: &mut [u8]| {
//!     for (nth, number) in bytes.chunks_exact_mut(8).enumerate() {
//!         let root = (offset / 8 + nth) as u64;
//!         number.copy_from_slice(&root.wrapping_mul(root).to_ne_bytes());
//!     }
//! };
//! let Ok(map) = pager::supplied(1 << 30, squares) else {
//!     return; // forbidden here
//! };
//! let number = &map[8 * 1_000_003..][..8]; // A slice; a page or two of it were made.
//! assert_eq!(u64::from_ne_bytes(number.try_into().unwrap()), 1_000_003 * 1_000_003);
//! ```
//!
//! A file that is fetched where it is read, and may be gone:
//!
//! ```
//! use std::fs::File;
//! use std::os::unix::fs::FileExt;
//!
//! use mmarinus_ext::pager;
//!
//! let file = File::open("/etc/passwd")?;
//! let len = file.metadata()?.len() as usize;
//! let fetch = move |offset: usize, bytes: &mut [u8]| file.read_exact_at(bytes, offset as u64);
//! let Ok(map) = pager::paged(len, fetch) else {
//!     return Ok(()); // forbidden here
//! };
//! let mut name = [0; 4];
//! map.read_at(0, &mut name)?;
//! assert_eq!(&name, b"root");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)

mod error;
mod options;
mod paged;
mod steps;
mod supplied;
mod worker;

use mmarinus::perms;

pub use error::{Cause, Error, Fault};
pub use options::Options;
pub use paged::Paged;
pub use supplied::Supplied;

/// Makes a map of `len` bytes to be read, whose pages a closure makes that cannot fail: `userfaultfd`.
///
/// Two threads serve it, until it is dropped. [`Options::supplied`] is the same with more to say.
///
/// # Examples
///
/// See [the module](self).
///
/// # Errors
///
/// As for [`Options::supplied`].
///
/// # References
///
/// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)
pub fn supplied(
    len: usize,
    make: impl FnMut(usize, &mut [u8]) + Send + 'static,
) -> Result<Supplied, Error> {
    Options::new().supplied(len, perms::Read, make)
}

/// Makes a map of `len` bytes to be read, whose pages a closure makes that can fail: `userfaultfd` with `UFFD_FEATURE_SIGBUS`.
///
/// No thread serves it: who reads calls the closure. [`Options::paged`] is the same with more to say.
///
/// # Examples
///
/// See [the module](self).
///
/// # Errors
///
/// As for [`Options::paged`].
///
/// # References
///
/// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)
pub fn paged<E>(
    len: usize,
    make: impl FnMut(usize, &mut [u8]) -> Result<(), E> + Send + 'static,
) -> Result<Paged<E>, Error> {
    Options::new().paged(len, perms::Read, make)
}
