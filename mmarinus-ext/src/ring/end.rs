//! What both halves have: their memory, their place in it, and how they wait for the other one.

use core::hint::spin_loop;
use core::marker::PhantomData;
use core::mem;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::{Pid, getpid};

use super::error::Error;
use super::header::Role;
use super::memory::Memory;
use super::peer::Peer;
use super::protocol::{Half, Lie};
use super::sync::sleep;

/// How often a half looks before it sleeps: about as long as it takes to go to sleep.
const LOOKS: usize = 100;

/// For how long a half sleeps before it asks whether the other one's process lives: at first, and at most.
const NAPS: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(100)];

/// One end of a ring.
#[derive(Debug)]
pub(super) struct End<R: Role> {
    memory: Arc<Memory>,
    half: Half,
    /// For how long it waits; for ever if there is none.
    pub(super) timeout: Option<Duration>,
    /// The process with the other half, if that is another one.
    peer: Option<Peer>,
    /// The process that has this half. A forked child has a copy of this, and no half.
    process: Pid,
    role: PhantomData<R>,
}

impl<R: Role> End<R> {
    /// The end whose words and place in this memory nobody else uses.
    pub(super) fn new(memory: Arc<Memory>, half: Half, peer: Option<Peer>) -> Self {
        Self {
            memory,
            half,
            timeout: None,
            peer,
            process: getpid(),
            role: PhantomData,
        }
    }

    /// How many bytes the ring holds.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.half.capacity()
    }

    /// How many bytes are this half's, as far as it has seen.
    #[inline]
    pub(super) fn mine(&self) -> usize {
        self.half.mine()
    }

    /// Whether the other half was seen to be closed.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.half.has_ended()
    }

    /// Looks how many bytes the other half has given since.
    #[inline]
    pub(super) fn look(&mut self) -> Result<(), Error> {
        let [_, other] = R::words(&self.memory.header);
        Ok(self.half.look(other)?)
    }

    /// Copies the bytes out that are `skip` bytes behind the first of this half's; they are this half's as well.
    #[inline]
    pub(super) fn read(&self, skip: usize, bytes: &mut [u8]) -> Result<(), Error> {
        debug_assert!(skip + bytes.len() <= self.mine());
        self.memory.read(self.place(skip), bytes)
    }

    /// Copies bytes to where they are `skip` bytes behind the first of this half's; all of that is this half's as well.
    #[inline]
    pub(super) fn write(&self, skip: usize, bytes: &[u8]) -> Result<(), Error> {
        debug_assert!(skip + bytes.len() <= self.mine());
        self.memory.write(self.place(skip), bytes)
    }

    /// The place in the ring that is `skip` bytes behind the first of this half's bytes; `skip` is at most the capacity.
    #[inline]
    fn place(&self, skip: usize) -> usize {
        let place = self.half.place() + skip;
        if place < self.capacity() {
            place
        } else {
            place - self.capacity()
        }
    }

    /// Gives the first `n` bytes of this half's to the other one.
    #[inline]
    pub(super) fn give(&mut self, n: usize) {
        let [own, other] = R::words(&self.memory.header);
        self.half.give(n, own, other);
    }

    /// Sees to it that `n` bytes are this half's, or that no more will come, and waits for that as long as it may.
    #[inline]
    pub(super) fn reach(&mut self, n: usize, timeout: Option<Duration>) -> Result<(), Error> {
        if self.has_reached(n) {
            return Ok(());
        }
        self.look()?;
        if self.has_reached(n) {
            return Ok(());
        }
        self.wait(n, timeout)
    }

    #[inline]
    fn has_reached(&self, n: usize) -> bool {
        self.mine() >= n || self.has_ended()
    }

    /// Waits until the other half has given as much, or is closed, or its process has died, or the time is over.
    #[cold]
    fn wait(&mut self, n: usize, timeout: Option<Duration>) -> Result<(), Error> {
        if timeout == Some(Duration::ZERO) {
            return Err(Error::WouldBlock);
        }
        for _ in 0..LOOKS {
            spin_loop();
            self.look()?;
            if self.has_reached(n) {
                return Ok(());
            }
        }
        let waited = self.sleep(n, timeout);
        let [own, _] = R::words(&self.memory.header);
        Half::stay_awake(own);
        waited
    }

    /// The part of it that sleeps.
    fn sleep(&mut self, n: usize, timeout: Option<Duration>) -> Result<(), Error> {
        let mut now = Instant::now();
        // A time that cannot be told is for ever.
        let until = timeout.and_then(|timeout| now.checked_add(timeout));
        let [mut nap, longest] = NAPS;
        let mut next_question = now + nap;
        loop {
            let [own, other] = R::words(&self.memory.header);
            self.half.look_before_sleep(own, other)?;
            if self.has_reached(n) {
                return Ok(());
            }
            if until.is_some_and(|until| until <= now) {
                return Err(Error::TimedOut);
            }
            let wake = match (&self.peer, until) {
                (Some(_), Some(until)) => Some(until.min(next_question)),
                (Some(_), None) => Some(next_question),
                (None, until) => until,
            };
            let at_most = wake.map(|wake| wake.saturating_duration_since(now));
            sleep(other.position, self.half.seen(), at_most);
            now = Instant::now();
            if let Some(peer) = &self.peer
                && next_question <= now
            {
                if peer.is_gone() {
                    // What it stored before it died is there.
                    self.look()?;
                    return match self.has_reached(n) {
                        true => Ok(()),
                        false => Err(Error::Died),
                    };
                }
                nap = (nap * 2).min(longest);
                next_question = now + nap;
            }
        }
    }

    /// Whether the other half is closed, or its process has died.
    pub(super) fn is_alone(&mut self) -> bool {
        // A word that is impossible is told by whatever is called next.
        let _ = self.look();
        self.has_ended() || self.peer.as_ref().is_some_and(Peer::is_gone)
    }
}

/// Tells the other half.
impl<R: Role> Drop for End<R> {
    fn drop(&mut self) {
        if self.process != getpid() {
            // The parent goes on with it. What the child may have mapped in the place of the bytes stays as well.
            mem::forget(Arc::clone(&self.memory));
            return;
        }
        let [own, other] = R::words(&self.memory.header);
        self.half.close(own, other);
    }
}

impl From<Lie> for Error {
    #[cold]
    fn from(Lie(word): Lie) -> Self {
        Self::Impossible { word }
    }
}
