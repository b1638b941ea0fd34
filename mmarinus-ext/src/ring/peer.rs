//! How a half learns that the process with the other one has died: by a descriptor that the kernel closes then.

use core::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

/// A process with the other half of a ring, as far as it can be told whether it lives.
///
/// A half that is dropped says so in the ring. A process that is killed says nothing: then the kernel does, by what that process
/// held. Memory cannot tell: a number of a process written there may be a lie, or by now be somebody else's.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use mmarinus_ext::ring::Peer;
///
/// let (near, far) = UnixStream::pair()?;
/// let peer = Peer::behind(&near)?; // Who holds `far`.
/// assert!(!peer.is_gone());
/// drop(far);
/// assert!(peer.is_gone());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// [poll(2)](https://man7.org/linux/man-pages/man2/poll.2.html),
/// [pidfd_open(2)](https://man7.org/linux/man-pages/man2/pidfd_open.2.html)
pub struct Peer {
    fd: OwnedFd,
    /// What `poll` is asked for besides a hang-up.
    asked: PollFlags,
}

impl Peer {
    /// Whoever holds the other end of this socket, such as the one over which the ring was sent: `fcntl` with
    /// `F_DUPFD_CLOEXEC`. It is gone when nobody holds that end any more.
    ///
    /// So no other process may be left with it: drop one's own copy of what a child was started with.
    ///
    /// # Examples
    ///
    /// See [`Peer`].
    ///
    /// # Errors
    ///
    /// - `EMFILE`: too many open files.
    ///
    /// # References
    ///
    /// [F_DUPFD(2const)](https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html)
    pub fn behind(socket: &UnixStream) -> io::Result<Self> {
        Ok(Self {
            fd: socket.as_fd().try_clone_to_owned()?,
            asked: PollFlags::empty(),
        })
    }

    /// The process of a pidfd (`pidfd_open`, `clone` with `CLONE_PIDFD`), since Linux 5.3. It is gone when all of its threads
    /// have ended.
    #[must_use]
    pub fn process(pidfd: OwnedFd) -> Self {
        Self {
            fd: pidfd,
            asked: PollFlags::IN,
        }
    }

    /// Whether it has died, or has closed what it held: `poll`, which does not wait.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let mut fds = [PollFd::new(&self.fd, self.asked)];
        // What cannot be asked, for lack of memory say, is asked again.
        let asked = retry_on_intr(|| poll(&mut fds, Some(&Timespec::default())));
        let over = self.asked | PollFlags::HUP | PollFlags::ERR;
        asked.is_ok() && fds[0].revents().intersects(over)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("fd", &self.fd).finish()
    }
}
