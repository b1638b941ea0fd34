//! A growable buffer whose address never moves: addresses are reserved first, memory is committed as it grows.
//!
//! A [`Buffer`] is used like a `Vec`, but never copies what it has when it grows, and what points into it stays right: its
//! address can be given to a device, a guest, or another thread's notes. What that costs is a limit, said when it is made; a
//! terabyte of it costs no more than a page. Memory comes in steps, and [`shrink_to_fit`](Buffer::shrink_to_fit) gives it back.
//!
//! Nothing here panics or aborts for want of memory: each call that grows returns a `Result`, and after an error the buffer
//! has all that it had. (Under the kernel's default, memory is promised generously: what is promised may run out when it is
//! touched, and then the kernel kills a process. [`Options::prefault`] touches it when it is promised.)
//!
//! # Examples
//!
//! ```
//! use std::io::Write;
//! use mmarinus_ext::grow::Buffer;
//!
//! let mut log = Buffer::<u8>::new(1 << 30)?; // At most a gigabyte; nothing yet.
//! let address = log.addr();
//! for line in 0..10_000 {
//!     writeln!(log, "line {line}")?;
//! }
//! assert!(log.starts_with(b"line 0\nline 1\n"));
//! assert_eq!(log.addr(), address);
//!
//! let mut samples = Buffer::<f64>::new(1 << 20)?;
//! samples.push(0.5)?;
//! samples.extend_from_slice(&[1.5, 2.5])?;
//! assert_eq!(samples.iter().sum::<f64>(), 4.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html),
//! [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html)

mod buffer;
mod error;
mod options;
mod space;

pub use buffer::{Buffer, Element};
pub use error::Error;
pub use options::Options;
