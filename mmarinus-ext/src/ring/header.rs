//! The first page of a ring in a file: what it is, and the words of both halves, each where it disturbs the other least.

use core::sync::atomic::{AtomicU32, Ordering};

use super::error::SetupError;
use super::protocol::Words;

mmarinus::shared_layout! {
    /// What stands in the first page.
    pub(super) struct Header {
        magic: [AtomicU32; 2],
        version: AtomicU32,
        /// The capacity in bytes.
        capacity: AtomicU32,
        /// Not 0 once there is a producer, and a consumer.
        taken: [AtomicU32; 2],
        /// Not 0 while the producer sleeps, and the consumer.
        waiting: [AtomicU32; 2],
        _rest_of_head: [AtomicU32; 24],
        /// The word of the producer, and the word of the consumer: each in cache lines of its own.
        written: AtomicU32,
        _rest_of_written: [AtomicU32; 31],
        read: AtomicU32,
        _rest_of_read: [AtomicU32; 31],
    }
}

/// The bytes `mmarring`.
const MAGIC: [u32; 2] = [u32::from_ne_bytes(*b"mmar"), u32::from_ne_bytes(*b"ring")];

/// Another layout has another number.
const VERSION: u32 = 1;

/// One of the two ends of a ring: what its words are.
pub(super) trait Role {
    /// Its own words, and those of the other half.
    fn words(header: &Header) -> [Words<'_>; 2];

    /// The word that says that it exists.
    fn taken(header: &Header) -> &AtomicU32;
}

/// The half that writes.
#[derive(Debug)]
pub(super) struct Writes;

/// The half that reads.
#[derive(Debug)]
pub(super) struct Reads;

impl Role for Writes {
    #[inline]
    fn words(header: &Header) -> [Words<'_>; 2] {
        [header.written(), header.read()]
    }

    fn taken(header: &Header) -> &AtomicU32 {
        &header.taken[0]
    }
}

impl Role for Reads {
    #[inline]
    fn words(header: &Header) -> [Words<'_>; 2] {
        [header.read(), header.written()]
    }

    fn taken(header: &Header) -> &AtomicU32 {
        &header.taken[1]
    }
}

impl Header {
    /// The words of the half that writes.
    #[inline]
    fn written(&self) -> Words<'_> {
        Words {
            position: &self.written,
            waiting: &self.waiting[0],
        }
    }

    /// The words of the half that reads.
    #[inline]
    fn read(&self) -> Words<'_> {
        Words {
            position: &self.read,
            waiting: &self.waiting[1],
        }
    }

    /// Says what it is, in a new file.
    pub(super) fn declare(&self, capacity: usize) {
        self.capacity.store(capacity as u32, Ordering::Relaxed);
        self.version.store(VERSION, Ordering::Relaxed);
        for (word, value) in self.magic.iter().zip(MAGIC) {
            word.store(value, Ordering::Release);
        }
    }

    /// Whether it says what it should of a ring of `capacity` bytes. Nothing of this is looked at again.
    pub(super) fn verify(&self, capacity: usize) -> Result<(), SetupError> {
        let magic = [0, 1].map(|word| self.magic[word].load(Ordering::Acquire));
        if magic != MAGIC {
            return Err(SetupError::NoRing);
        }
        let version = self.version.load(Ordering::Relaxed);
        if version != VERSION {
            return Err(SetupError::OtherVersion { version });
        }
        let told = self.capacity.load(Ordering::Relaxed) as usize;
        if told != capacity {
            return Err(SetupError::OtherCapacity { told, capacity });
        }
        Ok(())
    }

    /// Makes the caller the half `R`, if nobody was before.
    pub(super) fn take<R: Role>(&self) -> Result<(), SetupError> {
        let [own, _] = R::words(self);
        let taken = R::taken(self).compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
        // A new half starts at position 0.
        if taken.is_err() || own.position.load(Ordering::Relaxed) != 0 {
            return Err(SetupError::Taken);
        }
        Ok(())
    }

    /// Where the halves of a ring start that has some bytes in it already.
    pub(super) fn start_at(&self, read: usize, written: usize) {
        self.read.store(read as u32, Ordering::Relaxed);
        self.written.store(written as u32, Ordering::Relaxed);
    }
}
