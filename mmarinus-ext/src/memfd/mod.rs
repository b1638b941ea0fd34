//! Files in memory whose type says how they are sealed: `memfd_create`, and `fcntl` with `F_ADD_SEALS`.
//!
//! ```text
//!                    seal_size                    seal
//! Memfd<Open> ───────────────▶ Memfd<SizeSealed> ──────▶ Memfd<Sealed>
//!      │                             │ broadcast                ▲
//!      │                             ▼                          │
//!      │                      Memfd<Broadcast> ─────────────────┤ seal
//!      └────────────────────────────────────────────────────────┘ seal
//! ```
//!
//! | state | what nobody can do any more | a map of it | which has |
//! | --- | --- | --- | --- |
//! | [`Open`] | | [`backing::File`] | checked copies |
//! | [`SizeSealed`] | change its size | [`backing::SizeSealed`] | atomics |
//! | [`Broadcast`] | change its size, or get a new way to write it | [`backing::SizeSealed`] | atomics |
//! | [`Sealed`] | change its size or its bytes | [`backing::Sealed`] | slices |
//!
//! A state is the kernel's own word, on the very file: it holds for every process that has the file, and there is no way back. So
//! a file that another process sent is as good as one's own once [`TryFrom<OwnedFd>`](Memfd#impl-TryFrom<OwnedFd>-for-Memfd<S>)
//! has verified it.
//!
//! [`backing::File`]: mmarinus::backing::File
//! [`backing::SizeSealed`]: mmarinus::backing::SizeSealed
//! [`backing::Sealed`]: mmarinus::backing::Sealed
//!
//! # Examples
//!
//! ```
//! use std::io::Write;
//! use mmarinus::perms;
//! use mmarinus_ext::memfd::{Memfd, Sealed};
//! use std::os::fd::OwnedFd;
//!
//! let mut memfd = Memfd::create("greeting", 0)?;
//! memfd.write_all(b"hello")?;
//! let memfd = memfd.seal()?; // Nobody writes to it from here on, ourselves included.
//!
//! // What another process makes of the descriptor that it got:
//! let theirs = Memfd::<Sealed>::try_from(OwnedFd::from(memfd))?;
//! let map = theirs.map().with(perms::Read)?;
//! assert_eq!(&map[..], b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! [memfd_create(2)](https://man7.org/linux/man-pages/man2/memfd_create.2.html),
//! [F_GET_SEALS(2const)](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html)

mod bytes;
mod error;
mod file;
mod holders;
mod limit;
mod map;
mod options;
mod seal;
mod state;
mod verify;

pub use error::Error;
pub use file::Memfd;
pub(crate) use limit::file_limit;
pub use options::Options;
pub use state::{Broadcast, Fixed, Open, Sealed, SizeSealed, State, Unsealed, Writable};
