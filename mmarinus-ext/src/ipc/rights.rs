//! One message with descriptors: `sendmsg` and `recvmsg` with `SCM_RIGHTS`.

use core::mem::MaybeUninit;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, socket_timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::connection::Socket;
use super::error::Error;

/// The number of descriptors that the kernel takes with one message: `SCM_MAX_FD`.
pub const MAX_FDS: usize = 253;

/// Room for all that can come: descriptors, and the credentials that a socket with `SO_PASSCRED` gets.
const ROOM: usize = cmsg_space!(ScmRights(MAX_FDS), ScmCredentials(1));

/// What one [`receive`] has received.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received {
    /// The number of bytes that came; of a datagram also those for which there was no room.
    pub len: usize,
    /// The descriptors, at most as many as were asked for.
    pub fds: Vec<OwnedFd>,
    /// Whether there were more descriptors, which are closed: more than were asked for, or than this process may have open.
    pub lost_fds: bool,
}

/// Sends bytes and descriptors by one call of `sendmsg`; returns how many bytes were sent, which on a stream may be fewer.
///
/// The descriptors went with the first byte. Without a single byte a stream sends nothing, descriptors neither.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use mmarinus_ext::ipc;
///
/// let (near, far) = std::os::unix::net::UnixStream::pair()?;
/// let file = std::fs::File::open("/etc/passwd")?;
/// ipc::send(&near, b"passwd", &[file.as_fd()])?;
///
/// let mut buffer = [0; 16];
/// let received = ipc::receive(&far, &mut buffer, 1)?;
/// assert_eq!((&buffer[..received.len], received.fds.len()), (&b"passwd"[..], 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// - [`Error::TooManyFds`]: more than [`MAX_FDS`].
/// - [`Error::Io`]: what the kernel says: `EAGAIN`, the socket does not block, or its timeout has passed; `EMSGSIZE`, a datagram
///   is too long; `ENOTCONN`, `EPIPE`, `ECONNREFUSED`, `ECONNRESET`, there is no peer (any more); `ETOOMANYREFS`, more
///   descriptors are on their way than this user may have.
///
/// # References
///
/// [sendmsg(2)](https://man7.org/linux/man-pages/man2/sendmsg.2.html),
/// [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html)
pub fn send<S: Socket>(socket: &S, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize, Error> {
    send_parts(socket.as_fd(), &[IoSlice::new(bytes)], fds)
}

/// Sends bytes that lie in several places.
pub(super) fn send_parts(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
) -> Result<usize, Error> {
    if fds.len() > MAX_FDS {
        return Err(Error::TooManyFds { limit: MAX_FDS });
    }
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut control = SendAncillaryBuffer::new(&mut room);
    // Without descriptors there is no control message either: an empty one would be a message of its own kind.
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Error::TooManyFds { limit: MAX_FDS });
    }
    // A peer that is gone is an error, and no signal.
    let sent = in_time(socket, Timeout::Send, || {
        sendmsg(socket, parts, &mut control, SendFlags::NOSIGNAL)
    });
    Ok(sent?)
}

/// Receives bytes and at most `max_fds` descriptors by one call of `recvmsg`. Descriptors are closed by `execve`.
///
/// On a stream no bytes mean that the peer has closed it, if `buffer` has room.
///
/// # Errors
///
/// - [`Error::Io`]: what the kernel says: `EAGAIN`, the socket does not block, or its timeout has passed; `ECONNRESET`, the peer
///   is gone.
///
/// # References
///
/// [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html),
/// [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html)
pub fn receive<S: Socket>(
    socket: &S,
    buffer: &mut [u8],
    max_fds: usize,
) -> Result<Received, Error> {
    let mut room = [MaybeUninit::uninit(); ROOM];
    // The kernel takes no more descriptors into the process than there is room for. The room is rounded up, so there may be a
    // few more than asked for.
    let size = cmsg_space!(ScmRights(max_fds.min(MAX_FDS)), ScmCredentials(1));
    let mut control = RecvAncillaryBuffer::new(&mut room[..size]);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::TRUNC;
    let socket = socket.as_fd();
    let answer = in_time(socket, Timeout::Recv, || {
        recvmsg(socket, &mut parts, &mut control, flags)
    })?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(came) = message {
            fds.extend(came);
        }
    }
    let lost_fds = answer.flags.contains(ReturnFlags::CTRUNC) || fds.len() > max_fds;
    fds.truncate(max_fds);
    Ok(Received {
        len: answer.bytes,
        fds,
        lost_fds,
    })
}

/// Makes a call that waits, again where a signal has ended it; but not for ever, if the socket has a timeout, with which the
/// kernel begins anew each time.
fn in_time<T>(
    socket: BorrowedFd<'_>,
    timeout: Timeout,
    mut call: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    let begin = Instant::now();
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
        if let Ok(Some(limit)) = socket_timeout(socket, timeout)
            && begin.elapsed() >= limit
        {
            return Err(Errno::AGAIN);
        }
    }
}
