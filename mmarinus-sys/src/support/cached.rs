//! An answer that is found once and kept in atomics.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::{Errno, Result};

/// A number that is found once.
///
/// It is kept in two halves, since not every architecture has atomics of 64 bits. Threads that ask at once find the same.
pub(super) struct Cached {
    /// Set after both halves.
    known: AtomicBool,
    low: AtomicU32,
    high: AtomicU32,
}

impl Cached {
    /// Makes a place for an answer.
    pub(super) const fn new() -> Self {
        Self {
            known: AtomicBool::new(false),
            low: AtomicU32::new(0),
            high: AtomicU32::new(0),
        }
    }

    /// Returns the number, or finds it. An error that says nothing about the kernel is not kept; other errors count as 0.
    pub(super) fn number(&self, find: impl FnOnce() -> Result<u64>) -> u64 {
        if self.known.load(Ordering::Acquire) {
            let high = u64::from(self.high.load(Ordering::Relaxed));
            return high << 32 | u64::from(self.low.load(Ordering::Relaxed));
        }
        let number = match find() {
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::INTR) => {
                return 0;
            }
            found => found.unwrap_or(0),
        };
        self.low.store(number as u32, Ordering::Relaxed);
        self.high.store((number >> 32) as u32, Ordering::Relaxed);
        self.known.store(true, Ordering::Release);
        number
    }

    /// Returns whether a call succeeds, or makes it.
    pub(super) fn succeeds<T>(&self, call: impl FnOnce() -> Result<T>) -> bool {
        self.number(|| call().map(|_| 1)) != 0
    }

    /// Returns whether a call fails in the way that only a kernel that has it does, or makes it.
    pub(super) fn fails_with<T>(&self, errno: Errno, call: impl FnOnce() -> Result<T>) -> bool {
        self.succeeds(|| match call() {
            Err(e) if e == errno => Ok(()),
            Err(e) => Err(e),
            Ok(_) => Err(Errno::NOSYS),
        })
    }
}
