//! Secret bytes: a key that is in memory once, that nothing else reads by accident, and that is wiped.
//!
//! | | where the kernel has it: `memfd_secret` | else |
//! | --- | --- | --- |
//! | other processes, ptrace, `O_DIRECT`, the kernel itself | do not reach it | reach it, as any memory |
//! | core dumps | do not have it | do not have it (`MADV_DONTDUMP`) |
//! | child processes | do not have it | do not have it (`MADV_DONTFORK`) |
//! | swap, hibernation | does not have it; the machine does not hibernate | swap does not have it (`mlock`) |
//! | who runs past the end of other memory | faults at a guard page | faults at a guard page |
//!
//! A forked child has a copy of the [`Secret`] without the bytes: [`Error::Forked`] is all that it gives, and it may be dropped.
//!
//! In both, its pages are inaccessible but for the life of a guard that [`Secret::read`] or [`Secret::write`] gave; whoever
//! reads out of bounds at other times faults.
//!
//! # What is left of it
//!
//! When it is dropped it is overwritten with zeros, by writes that the compiler does not leave out, and unmapped. Three things
//! keep it from being overwritten, and then it is unmapped only:
//!
//! - The kernel refuses to open its pages (`mprotect`), which a sandbox can make it do. (Those whose guard to write was forgotten
//!   are open.)
//! - It is never dropped: it was leaked, or the process was killed, or called `exec`, `exit` or `abort`.
//! - [`Error::Gone`] was told of it.
//!
//! Memory that is unmapped is reached by no process: the kernel clears it before anybody gets it. It clears memory of
//! `memfd_secret` at once. All other memory keeps its bytes until it is used again, unless the machine runs with
//! `init_on_free=1`; whoever reads the machine's memory chips could find them.
//!
//! What is copied out of it, in a local variable or a register, is on its own: use it where it is.
//!
//! # Examples
//!
//! ```
//! use mmarinus_ext::secret::Secret;
//!
//! let mut typed = *b"correct horse"; // As a program gets it.
//! let mut key = Secret::take(&mut typed)?;
//! assert_eq!(typed, [0; 13]); // No second copy stays.
//!
//! {
//!     let bytes = key.read()?;
//!     assert_eq!(&bytes[..], b"correct horse");
//! } // Here it is inaccessible again.
//! assert!(!format!("{key:?}").contains("horse"));
//! # Ok::<(), mmarinus_ext::secret::Error>(())
//! ```
//!
//! # References
//!
//! [memfd_secret(2)](https://man7.org/linux/man-pages/man2/memfd_secret.2.html),
//! [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html),
//! [mlock(2)](https://man7.org/linux/man-pages/man2/mlock.2.html)

mod error;
mod guard;
mod pages;
mod state;

pub use error::Error;
pub use guard::{Reading, Writing};
pub use state::Secret;
