//! What people reach for `mmap` for, done once, without `unsafe`.
//!
//! Built on [`mmarinus`]. Nothing in this crate may need `unsafe`: where it would, a safe constructor is missing in `mmarinus`.
//!
//! - [`grow`]: growable buffers whose address never moves.
//! - [`memfd`]: files in memory whose type says how they are sealed.
//! - [`snapshot`]: any file or reader as a sealed file in memory, so an honest `&[u8]` of it.
//! - [`ipc`]: such files sent to another process over a Unix socket, and received by one that trusts nothing.
//! - [`ring`]: a queue of bytes whose contents always lie in one piece.
//! - [`secret`]: keys in memory that others do not reach, and that are wiped.
#![forbid(unsafe_code)]

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("mmarinus-ext maps memory on Linux and Android only");

pub mod grow;
pub mod ipc;
pub mod memfd;
pub mod ring;
pub mod secret;
pub mod snapshot;
