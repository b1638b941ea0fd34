//! A byte ring whose contents, and whose room, always lie in one piece: also across its end.
//!
//! It is a queue of bytes over a [`Mirror`](mmarinus::Mirror): written at one end, read at the other, as a `VecDeque<u8>` is, but
//! nothing wraps around: what lies across the end of the memory is at addresses that follow each other all the same.
//!
//! | | | |
//! | --- | --- | --- |
//! | [`Ring`] | one owner | slices |
//! | [`Producer`] and [`Consumer`], by [`Ring::split`] | two threads | copies, no locks |
//! | the same, by [`Producer::create`] or [`Consumer::create`], and `attach` | two processes | the same; nothing is believed |
//!
//! # Two halves
//!
//! A half that finds nothing to read, or no room, waits (`futex`), for as long as it may; `try_read` and `try_write` do not. What
//! a half has written, the other one has at once. A half that is dropped is the end for the other one. A process that is killed
//! drops nothing, so each half is told by a [`Peer`] how to notice that; it looks while it sleeps, ten times a second at least,
//! and then says [`Error::Died`], once what was written before is read.
//!
//! The other half need not be trusted. Memory that another process writes gives no slices, and each of its indices is looked at
//! once and checked: one that is impossible is [`Error::Impossible`]. So the worst it can do is to send wrong bytes, or none; a
//! [timeout](Consumer::set_timeout) bounds the wait for those.
//!
//! A forked child does not have the bytes of a ring. Its copies of the halves are for dropping only, which tells nobody.
//!
//! # In a file
//!
//! A ring for two processes is a memory file whose size is sealed: a page for the header, and the bytes: whole pages, at most
//! 1 GiB. The header consists of words of 32 bits, in the machine's own order:
//!
//! | at byte | |
//! | --- | --- |
//! | 0 | `mmarring` |
//! | 8 | 1, the version |
//! | 12 | the number of bytes that follow the header: the capacity |
//! | 16, 20 | not 0: there is a producer; a consumer |
//! | 24, 28 | not 0: the producer sleeps; the consumer sleeps |
//! | 128 | how far the producer is, from 0 to below twice the capacity, where it starts over; the highest bit: it is closed |
//! | 256 | how far the consumer is, in the same way |
//!
//! # Examples
//!
//! ```
//! use std::io::{BufRead, Read, Write};
//! use mmarinus_ext::ring::Ring;
//!
//! let mut ring = Ring::new(1 << 16)?;
//! let mut file = std::fs::File::open("/proc/self/maps")?;
//! loop {
//!     let len = file.read(ring.writable())?; // Straight into the ring.
//!     if len == 0 {
//!         break;
//!     }
//!     ring.commit(len);
//!     while let Some(end) = ring.readable().iter().position(|&byte| byte == b'\n') {
//!         assert!(ring.readable()[..end].contains(&b'-')); // A whole line, wherever it lies.
//!         ring.consume(end + 1);
//!     }
//! }
//! assert!(ring.is_empty());
//!
//! ring.write_all(b"hello\n")?;
//! let mut line = String::new();
//! ring.read_line(&mut line)?;
//! assert_eq!(line, "hello\n");
//!
//! let (mut producer, mut consumer) = ring.split()?;
//! std::thread::spawn(move || producer.write_all(b"from another thread\n"));
//! consumer.read_line(&mut line)?;
//! assert_eq!(line, "hello\nfrom another thread\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html),
//! [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)

mod alone;
mod consumer;
mod end;
mod error;
mod header;
mod memory;
mod peer;
mod producer;
mod protocol;
mod sync;

pub use alone::Ring;
pub use consumer::Consumer;
pub use error::{Error, SetupError, Unsplit};
pub use peer::Peer;
pub use producer::Producer;
