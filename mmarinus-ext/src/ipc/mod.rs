//! Files in memory sent to another process over a Unix socket, with a payload: `sendmsg` and `recvmsg` with `SCM_RIGHTS`.
//!
//! | | |
//! | --- | --- |
//! | [`Connection`] | whole messages over a [`UnixStream`] or a [`UnixDatagram`] |
//! | [`Message`] | what came: a payload and descriptors, which [`memfds`](Message::memfds) verifies |
//! | [`Pool`], [`Maps`] | buffers that are used again, message after message: by who sends them, and by who receives them |
//! | [`send`], [`receive`] | one system call each, for protocols of others |
//!
//! A receiver trusts nothing. How long a payload and how many descriptors there may be is its own choice; what comes in excess is
//! closed at once. Descriptors are closed by `execve`. What a descriptor is counts once it was verified, by `TryFrom` of
//! [`Memfd`](crate::memfd::Memfd): a sender that lies gives an error.
//!
//! Two things a hostile sender can do to any receiver of descriptors, and this cannot prevent: closing a descriptor of a file
//! system in user space waits for that file system; and a sender that stops in the middle of a message keeps a blocking
//! receiver waiting, unless the socket has a timeout. That is so even if it is killed then, since its own end of the socket can
//! be among the descriptors that have come.
//!
//! The socket is as it was given: timeouts and non-blocking mode are those of std. It must not have the option `SO_PASSPIDFD`,
//! by which the kernel adds a descriptor to each message that nobody here takes.
//!
//! # Examples
//!
//! ```
//! use std::os::fd::AsFd;
//! use mmarinus::perms;
//! use mmarinus_ext::ipc::Connection;
//! use mmarinus_ext::memfd::Sealed;
//! use mmarinus_ext::snapshot;
//!
//! let (near, far) = std::os::unix::net::UnixStream::pair()?;
//! let file = snapshot::read(&b"a large table"[..])?;
//! Connection::new(near).send(b"table", &[file.as_fd()])?;
//!
//! // In the other process:
//! let message = Connection::new(far).receive()?.expect("a message");
//! let (payload, files) = message.memfds::<Sealed>()?;
//! let table = files[0].map().with(perms::Read)?;
//! assert_eq!((&payload[..], &table[..]), (&b"table"[..], &b"a large table"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html),
//! [sendmsg(2)](https://man7.org/linux/man-pages/man2/sendmsg.2.html),
//! [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html)
//!
//! [`UnixStream`]: std::os::unix::net::UnixStream
//! [`UnixDatagram`]: std::os::unix::net::UnixDatagram

mod connection;
mod datagram;
mod error;
mod maps;
mod message;
mod pool;
mod rights;
mod stream;

pub use connection::{Connection, Socket};
pub use error::Error;
pub use maps::Maps;
pub use message::Message;
pub use pool::{Buffer, Pool};
pub use rights::{MAX_FDS, Received, receive, send};
