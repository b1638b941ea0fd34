//! A socket over which whole messages go: what streams and datagrams have in common.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use super::rights::MAX_FDS;
use super::stream::Progress;

/// A Unix socket of std: [`UnixStream`] or [`UnixDatagram`].
pub trait Socket: AsFd + sealed::Sealed {}

impl Socket for UnixStream {}
impl Socket for UnixDatagram {}

mod sealed {
    use std::os::unix::net::{UnixDatagram, UnixStream};

    #[expect(unnameable_types, reason = "the seal of `Socket`")]
    pub trait Sealed {}

    impl Sealed for UnixStream {}
    impl Sealed for UnixDatagram {}
}

/// A socket over which whole messages go: a payload, and descriptors.
///
/// Over a [`UnixStream`] a message has a header of 16 bytes, so both sides have to be a `Connection`: `mmar`, the number of
/// descriptors in 4 bytes, and the length of the payload in 8, both with the lowest byte first; the payload follows. Over a
/// [`UnixDatagram`] a message is a datagram as it is.
///
/// One thread uses it at a time. To send in one and receive in another, give each a [`try_clone`](UnixStream::try_clone) of the
/// socket.
///
/// # Examples
///
/// ```
/// use mmarinus_ext::ipc::{Connection, Error};
///
/// let (near, far) = std::os::unix::net::UnixStream::pair()?;
/// let mut near = Connection::new(near);
/// let mut far = Connection::new(far).max_payload(10);
/// near.send(b"short", &[])?;
/// assert_eq!(far.receive()?.expect("a message").payload(), b"short");
///
/// near.send(b"longer than that", &[])?;
/// assert!(matches!(far.receive(), Err(Error::TooLong { len: 16, limit: 10 })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection<S: Socket = UnixStream> {
    pub(super) socket: S,
    pub(super) max_payload: usize,
    pub(super) max_fds: usize,
    /// How far a stream has come with the messages that are on their way.
    pub(super) progress: Progress,
}

impl<S: Socket> Connection<S> {
    /// Takes a socket that is connected, or, for datagrams that are only received, bound.
    #[must_use]
    pub fn new(socket: S) -> Self {
        Self {
            socket,
            max_payload: 64 << 10,
            max_fds: 16,
            progress: Progress::default(),
        }
    }

    /// Receives no payload of more than this many bytes; 64 KiB at first. What is large goes into a memfd.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Receives no more than this many descriptors with a message; 16 at first, and never more than [`MAX_FDS`].
    #[must_use]
    pub fn max_fds(mut self, count: usize) -> Self {
        self.max_fds = count.min(MAX_FDS);
        self
    }

    /// The socket, to set its timeouts, say. Who reads or writes it tears messages apart.
    #[must_use]
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// The socket. What has come of a message that is not whole is lost.
    #[must_use]
    pub fn into_socket(self) -> S {
        self.socket
    }
}

/// To wait for it, by `poll`.
impl<S: Socket> AsFd for Connection<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
