//! How two halves agree on whose the bytes of a ring are: one word of each, which the other half only reads.
//!
//! Bytes are counted by *positions*, which go from 0 to twice the capacity and then start over, so that a full ring and an empty
//! one are told apart. A half's word holds its position, and a bit once it is closed.
//!
//! - The bytes from the consumer's position up to the producer's are the consumer's; all others are the producer's. A half only
//!   touches its own.
//! - A half gives bytes away by storing its new position, after it is done with them (`Release`), and takes what the other one
//!   has given by loading that one's (`Acquire`). It never loads its own: it knows it.
//! - A half that is about to sleep says so in a second word, and only then looks for the last time. A half that has stored its
//!   position looks whether the other one sleeps. Between the two steps both have a `SeqCst` fence, so at least one sees the
//!   other: either nobody sleeps, or somebody wakes it. The word that it sleeps on is the one that changes.
//!
//! The other half may be hostile, and store anything at any time. So each of its words is loaded once, and is held against what
//! is possible: a position that exists, that gives no more bytes than the ring has, and that takes none back.

use super::sync::{AtomicU32, Ordering, fence, wake};

/// The largest capacity in bytes: positions have 31 bits.
pub(super) const MAX_CAPACITY: usize = 1 << 30;

/// The bit of a half's word that says that it is closed.
pub(super) const CLOSED: u32 = 1 << 31;

/// The words of one half, which it alone writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'ring> {
    /// Its position, and whether it is closed.
    pub(super) position: &'ring AtomicU32,
    /// Not 0 while it sleeps, or is about to.
    pub(super) waiting: &'ring AtomicU32,
}

/// A word that no half can have stored that keeps to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lie(pub(super) u32);

/// What a half knows by itself.
#[derive(Debug)]
pub(super) struct Half {
    /// At least 1, and at most `MAX_CAPACITY`.
    capacity: usize,
    /// How far the end of what it may touch is ahead of the other's position: the capacity for the producer, 0 for the consumer.
    lead: usize,
    /// Its position, below twice the capacity.
    own: usize,
    /// How many bytes from there on are its own, as far as it has seen: at most the capacity.
    mine: usize,
    /// The other's word, as it was seen last.
    seen: u32,
    /// The other one was seen to be closed, after which its word is not looked at any more.
    ended: bool,
}

impl Half {
    /// The half that writes into a ring with `len` bytes, the first of which is at `start`, below the capacity.
    pub(super) fn producer(capacity: usize, start: usize, len: usize) -> Self {
        debug_assert!(
            (1..=MAX_CAPACITY).contains(&capacity) && start < capacity && len <= capacity
        );
        Self {
            capacity,
            lead: capacity,
            own: start + len,
            mine: capacity - len,
            seen: start as u32,
            ended: false,
        }
    }

    /// The half that reads from such a ring.
    pub(super) fn consumer(capacity: usize, start: usize, len: usize) -> Self {
        debug_assert!(
            (1..=MAX_CAPACITY).contains(&capacity) && start < capacity && len <= capacity
        );
        Self {
            capacity,
            lead: 0,
            own: start,
            mine: len,
            seen: (start + len) as u32,
            ended: false,
        }
    }

    /// How many bytes the ring holds.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many bytes are its own, as far as it has seen.
    #[inline]
    pub(super) fn mine(&self) -> usize {
        self.mine
    }

    /// Where in the ring its own bytes start: below the capacity.
    #[inline]
    pub(super) fn place(&self) -> usize {
        if self.own < self.capacity {
            self.own
        } else {
            self.own - self.capacity
        }
    }

    /// Whether the other half was seen to be closed.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The other half's word, as it was seen last.
    #[inline]
    pub(super) fn seen(&self) -> u32 {
        self.seen
    }

    /// Looks how many bytes the other half has given since.
    #[inline]
    pub(super) fn look(&mut self, other: Words<'_>) -> Result<(), Lie> {
        if self.ended {
            return Ok(());
        }
        let word = other.position.load(Ordering::Acquire);
        match self.given((word & !CLOSED) as usize) {
            Some(mine) if self.mine <= mine => {
                self.mine = mine;
                self.seen = word;
                self.ended = word & CLOSED != 0;
                Ok(())
            }
            _ => Err(Lie(word)),
        }
    }

    /// How many bytes are its own if the other half is at this position; none if it cannot be.
    #[inline]
    fn given(&self, position: usize) -> Option<usize> {
        let around = 2 * self.capacity;
        if position >= around {
            return None;
        }
        let end = position + self.lead;
        let end = if end < around { end } else { end - around };
        let mine = if end >= self.own {
            end - self.own
        } else {
            end + around - self.own
        };
        (mine <= self.capacity).then_some(mine)
    }

    /// Gives the first `n` of its own bytes to the other half; `n` is at most as many as there are.
    #[inline]
    pub(super) fn give(&mut self, n: usize, own: Words<'_>, other: Words<'_>) {
        debug_assert!(n <= self.mine);
        let n = n.min(self.mine);
        self.mine -= n;
        self.own += n;
        if self.own >= 2 * self.capacity {
            self.own -= 2 * self.capacity;
        }
        publish(self.own as u32, own, other);
    }

    /// Tells the other half that there is nothing to come.
    pub(super) fn close(&mut self, own: Words<'_>, other: Words<'_>) {
        publish(self.own as u32 | CLOSED, own, other);
    }

    /// Says that this half is about to sleep, and looks for the last time. Unless that shows enough, it may then
    /// [`sleep`](super::sync::sleep) on the other's word, if that is still what was seen; then all of it again.
    pub(super) fn look_before_sleep(
        &mut self,
        own: Words<'_>,
        other: Words<'_>,
    ) -> Result<(), Lie> {
        own.waiting.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.look(other)
    }

    /// Says that this half does not sleep any more.
    pub(super) fn stay_awake(own: Words<'_>) {
        own.waiting.store(0, Ordering::Relaxed);
    }
}

/// Stores a half's word, and wakes the other one if that sleeps.
#[inline]
fn publish(word: u32, own: Words<'_>, other: Words<'_>) {
    own.position.store(word, Ordering::Release);
    fence(Ordering::SeqCst);
    if other.waiting.load(Ordering::Relaxed) != 0 {
        wake(own.position);
    }
}
