//! Messages as datagrams, which the kernel keeps whole.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;

use super::connection::Connection;
use super::error::Error;
use super::message::Message;
use super::rights::{Received, receive, send_parts};

impl Connection<UnixDatagram> {
    /// Sends a message: `sendmsg`. An empty one is a message as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// use mmarinus_ext::{ipc::Connection, memfd::Sealed, snapshot};
    ///
    /// let (near, far) = std::os::unix::net::UnixDatagram::pair()?;
    /// let file = snapshot::read(&b"bytes"[..])?;
    /// Connection::new(near).send(b"see the file", &[file.as_fd()])?;
    /// let (_, files) = Connection::new(far).receive()?.memfds::<Sealed>()?;
    /// assert_eq!(files[0].len(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](super::send). Nothing was sent then.
    ///
    /// # References
    ///
    /// [sendmsg(2)](https://man7.org/linux/man-pages/man2/sendmsg.2.html)
    pub fn send(&mut self, payload: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
        send_parts(self.socket.as_fd(), &[IoSlice::new(payload)], fds).map(drop)
    }

    /// Receives a message: `recvmsg`. (That the peer has gone is not told by datagrams; the socket's timeout bounds the wait.)
    ///
    /// # Errors
    ///
    /// The message is gone, and its descriptors are closed; the next one can be received.
    ///
    /// - [`Error::TooLong`], [`Error::TooManyFds`]: it has more than this side takes.
    /// - [`Error::LostFds`]: this process may have no more descriptors open.
    /// - [`Error::Io`]: what the kernel says.
    ///
    /// # References
    ///
    /// [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html)
    pub fn receive(&mut self) -> Result<Message, Error> {
        let limit = self.max_payload;
        let buffer = self.progress.buffer(limit);
        let received = receive(&self.socket, buffer, self.max_fds)?;
        let Received { len, fds, lost_fds } = received;
        if len > limit {
            let len = len as u64;
            return Err(Error::TooLong { len, limit });
        }
        if lost_fds {
            return Err(Error::lost(fds.len(), self.max_fds));
        }
        let payload = buffer[..len].to_vec();
        Ok(Message { payload, fds })
    }
}
