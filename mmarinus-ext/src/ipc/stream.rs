//! Messages in a stream of bytes, which may come in pieces: each has a header that says how long it is.

use std::io::{ErrorKind, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::connection::Connection;
use super::error::Error;
use super::message::Message;
use super::rights::{Received, receive, send_parts};

/// Bytes of a header.
const HEADER: usize = 16;

/// With what a header begins.
const MAGIC: [u8; 4] = *b"mmar";

/// A payload grows by as many bytes as this, so that a header alone takes no memory.
const STEP: usize = 64 << 10;

/// What a header says.
#[derive(Clone, Copy, Debug)]
struct Told {
    fds: usize,
    len: usize,
}

/// How far the messages are that are on their way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// What was not sent yet of a message that is on its way.
    unsent: Vec<u8>,
    /// The first bytes of what is being received: the header, of which `told` tells once it is whole; then the payload alone.
    bytes: Vec<u8>,
    /// How many of `bytes` have come.
    filled: usize,
    told: Option<Told>,
    fds: Vec<OwnedFd>,
    /// What is wrong with the message that is being received, if its end can still be found.
    spoiled: Option<Error>,
    /// Where the next message begins is not known any more: for one direction or the other.
    lost_in: bool,
    lost_out: bool,
}

impl Connection<UnixStream> {
    /// Sends a message: `sendmsg`.
    ///
    /// On a socket that does not block, or has a timeout, what there was no room for is kept: [`flush`](Self::flush) sends it, as
    /// does the next message. The descriptors have gone with the first byte.
    ///
    /// # Examples
    ///
    /// See [the module](crate::ipc).
    ///
    /// # Errors
    ///
    /// Nothing was sent, but for the last one.
    ///
    /// - [`Error::TooManyFds`]: more than [`MAX_FDS`](super::MAX_FDS).
    /// - [`Error::Io`]: what the kernel says. [`WouldBlock`](ErrorKind::WouldBlock): there was no room for a first byte, or for
    ///   what is left of the message before; try it again.
    /// - [`Error::Broken`]: an earlier message was sent in part only.
    ///
    /// # References
    ///
    /// [sendmsg(2)](https://man7.org/linux/man-pages/man2/sendmsg.2.html)
    pub fn send(&mut self, payload: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
        self.flush()?;
        let header = header(fds.len(), payload.len());
        let parts = [IoSlice::new(&header), IoSlice::new(payload)];
        let sent = send_parts(self.socket.as_fd(), &parts, fds)?;
        if sent == HEADER + payload.len() {
            return Ok(());
        }
        self.progress.unsent.extend(header.iter().skip(sent));
        let payload = &payload[sent.saturating_sub(HEADER)..];
        self.progress.unsent.extend(payload);
        match self.flush() {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            flushed => flushed,
        }
    }

    /// Sends what is left of a message for which there was no room: after [`send`](Self::send) on a socket that does not block.
    ///
    /// # Errors
    ///
    /// - [`Error::Io`]: what the kernel says. [`WouldBlock`](ErrorKind::WouldBlock): some of it is still left.
    /// - [`Error::Broken`]: an earlier message was sent in part only.
    ///
    /// # References
    ///
    /// [sendmsg(2)](https://man7.org/linux/man-pages/man2/sendmsg.2.html)
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.progress.lost_out {
            return Err(Error::Broken);
        }
        let unsent = &mut self.progress.unsent;
        let mut done = 0;
        let result = loop {
            if done == unsent.len() {
                break Ok(());
            }
            match send_parts(self.socket.as_fd(), &[IoSlice::new(&unsent[done..])], &[]) {
                Ok(sent) => done += sent,
                Err(error) => break Err(error),
            }
        };
        unsent.drain(..done);
        if let Err(Error::Io(error)) = &result {
            self.progress.lost_out = error.kind() != ErrorKind::WouldBlock;
        }
        result
    }

    /// Whether all of what was to be sent is on its way.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.progress.unsent.is_empty()
    }

    /// Receives a message: `recvmsg`, as often as it takes; `None` if the peer has closed the connection after the last one.
    ///
    /// On a socket that does not block, or has a timeout, what has come so far is kept, and the next call goes on.
    ///
    /// # Examples
    ///
    /// See [the module](crate::ipc).
    ///
    /// # Errors
    ///
    /// Descriptors that have come with the message are closed.
    ///
    /// The message is gone, and the next one can be received:
    ///
    /// - [`Error::WrongCount`], [`Error::TooManyFds`]: the descriptors are not as many as the message says, or more than this
    ///   side takes.
    /// - [`Error::LostFds`]: this process may have no more descriptors open.
    ///
    /// The connection is of no more use for receiving:
    ///
    /// - [`Error::TooLong`], [`Error::TooManyFds`]: the message says that it has more than this side takes.
    /// - [`Error::NoMessage`], [`Error::Cut`]: the peer sends something else, or is gone in the middle.
    /// - [`Error::Broken`]: after one of these.
    ///
    /// Else:
    ///
    /// - [`Error::Io`]: what the kernel says. [`WouldBlock`](ErrorKind::WouldBlock): not all has come yet.
    ///
    /// # References
    ///
    /// [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html)
    pub fn receive(&mut self) -> Result<Option<Message>, Error> {
        loop {
            if self.progress.lost_in {
                return Err(Error::Broken);
            }
            let (limits, progress) = ([self.max_payload, self.max_fds], &mut self.progress);
            match progress.step(&self.socket, limits) {
                Ok(Step::More) => {}
                Ok(Step::Message(message)) => return message.map(Some),
                Ok(Step::End) => return Ok(None),
                Err(error) => {
                    if !matches!(error, Error::Io(_)) {
                        // Closes what has come.
                        *progress = Progress {
                            unsent: core::mem::take(&mut progress.unsent),
                            lost_in: true,
                            lost_out: progress.lost_out,
                            ..Progress::default()
                        };
                    }
                    return Err(error);
                }
            }
        }
    }
}

/// What has come of one call.
enum Step {
    More,
    /// A message, or what is wrong with one that is over.
    Message(Result<Message, Error>),
    /// The peer has closed the connection between two messages.
    End,
}

impl Progress {
    /// A buffer for datagrams, which come whole.
    pub(super) fn buffer(&mut self, len: usize) -> &mut [u8] {
        self.bytes.resize(len, 0);
        &mut self.bytes
    }

    /// Receives once, and looks at what there is then. An error other than `Io` leaves no way to go on.
    fn step(
        &mut self,
        socket: &UnixStream,
        [max_payload, max_fds]: [usize; 2],
    ) -> Result<Step, Error> {
        let wanted = self.told.map_or(HEADER, |told| told.len);
        if self.filled == wanted
            && let Some(told) = self.told
        {
            return Ok(Step::Message(self.finish(told)));
        }
        if self.bytes.len() == self.filled {
            self.bytes.resize(wanted.min(self.filled + STEP), 0);
        }
        // What comes beyond what the header says is wrong, and closed; before the header is there, the limit counts.
        let allowed = self.told.map_or(max_fds, |told| told.fds);
        let left = allowed.saturating_sub(self.fds.len());
        let room = &mut self.bytes[self.filled..];
        let has = room.len();
        let Received { len, fds, lost_fds } = receive(socket, room, left)?;
        if len > has {
            // Only a socket that keeps packets whole says so: no stream.
            return Err(Error::NoMessage);
        }
        if lost_fds && self.spoiled.is_none() {
            self.spoiled = Some(match self.told {
                Some(Told { fds: told, .. }) if fds.len() == left => Error::WrongCount {
                    told,
                    came: told + 1,
                },
                _ if fds.len() < left => Error::LostFds,
                _ => Error::TooManyFds { limit: max_fds },
            });
        }
        self.fds.extend(fds);
        if self.spoiled.is_some() {
            self.fds.clear();
        }
        if len == 0 {
            let is_between = self.told.is_none() && self.filled == 0 && self.spoiled.is_none();
            return if is_between {
                Ok(Step::End)
            } else {
                Err(Error::Cut)
            };
        }
        self.filled += len;
        if self.told.is_none() && self.filled == HEADER {
            self.told = Some(read_header(&self.bytes, max_payload, max_fds)?);
            self.filled = 0;
            self.bytes.clear();
        }
        Ok(Step::More)
    }

    /// Takes a message that is whole, and gets ready for the next.
    fn finish(&mut self, told: Told) -> Result<Message, Error> {
        let payload = core::mem::take(&mut self.bytes);
        let fds = core::mem::take(&mut self.fds);
        (self.told, self.filled) = (None, 0);
        match self.spoiled.take() {
            Some(error) => Err(error),
            None if fds.len() != told.fds => Err(Error::WrongCount {
                told: told.fds,
                came: fds.len(),
            }),
            None => Ok(Message { payload, fds }),
        }
    }
}

impl Error {
    /// What it means that descriptors were lost, of which so many came and so many were allowed.
    pub(super) fn lost(came: usize, limit: usize) -> Self {
        if came < limit {
            Self::LostFds
        } else {
            Self::TooManyFds { limit }
        }
    }
}

fn header(fds: usize, len: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    // There are no more than `MAX_FDS` once they are sent.
    header[4..8].copy_from_slice(&(fds as u32).to_le_bytes());
    header[8..].copy_from_slice(&(len as u64).to_le_bytes());
    header
}

/// Reads a header, and holds it against the limits.
fn read_header(bytes: &[u8], max_payload: usize, max_fds: usize) -> Result<Told, Error> {
    let number = |at: usize| {
        bytes
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok())
    };
    let (Some(first), Some(len)) = (
        number(0).map(u64::from_le_bytes),
        number(8).map(u64::from_le_bytes),
    ) else {
        return Err(Error::NoMessage);
    };
    if first as u32 != u32::from_le_bytes(MAGIC) {
        return Err(Error::NoMessage);
    }
    let fds = (first >> 32) as usize;
    if fds > max_fds {
        return Err(Error::TooManyFds { limit: max_fds });
    }
    match usize::try_from(len) {
        Ok(len) if len <= max_payload => Ok(Told { fds, len }),
        _ => Err(Error::TooLong {
            len,
            limit: max_payload,
        }),
    }
}
