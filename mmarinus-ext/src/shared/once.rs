//! A closure that runs once, whichever process comes first, and again if that one dies meanwhile.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use super::error::Error;
use super::lock::{Lock, Locked};

mmarinus::shared_layout! {
    /// A flag that something was done, by one thread of all the processes that share it, while the others wait.
    ///
    /// It is part of a struct of atomics (see [the module](super)), 24 zeros at first. If a thread dies or panics while it does
    /// it, another does it again: [`Attempt::Again`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// use mmarinus_ext::shared::{self, Once};
    ///
    /// mmarinus::shared_layout! {
    ///     struct Table {
    ///         is_made: Once,
    ///         squares: [AtomicU64; 100],
    ///     }
    /// }
    ///
    /// let table = shared::anonymous::<Table>()?;
    /// for _ in 0..2 {
    ///     table.is_made.call_once(|_| {
    ///         for (n, square) in (0..).zip(&table.squares) {
    ///             assert_eq!(square.swap(n * n, Relaxed), 0);
    ///         }
    ///     })?;
    /// }
    /// assert_eq!(table.squares[9].load(Relaxed), 81);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Once {
        lock: Lock,
        done: AtomicU32,
        _gap: AtomicU32,
    }
}

/// Whether somebody has tried before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// Nobody has: everything is as it was at first.
    First,
    /// Somebody has, and died or panicked: things may be half done.
    Again,
}

impl Once {
    /// Whether it was done. If so, all that was written for it is to be seen.
    #[inline]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire) != 0
    }

    /// Runs the closure unless that was done, or waits until another thread has done it: `futex` with `FUTEX_WAIT`.
    ///
    /// # Examples
    ///
    /// See [`Once`].
    ///
    /// # Errors
    ///
    /// As for [`Lock::lock`]; [`Error::Deadlock`] if it is called inside of the closure.
    ///
    /// # References
    ///
    /// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)
    #[inline]
    pub fn call_once(&self, run: impl FnOnce(Attempt)) -> Result<(), Error> {
        if self.is_done() {
            return Ok(());
        }
        self.run(self.lock.lock()?, run);
        Ok(())
    }

    /// As [`call_once`](Self::call_once), but waits for no longer than this for another thread.
    ///
    /// # Errors
    ///
    /// As for [`Lock::lock_within`].
    ///
    /// # References
    ///
    /// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)
    pub fn call_once_within(&self, time: Duration, run: impl FnOnce(Attempt)) -> Result<(), Error> {
        if self.is_done() {
            return Ok(());
        }
        self.run(self.lock.lock_within(time)?, run);
        Ok(())
    }

    /// Runs the closure, while nobody else can.
    #[cold]
    fn run(&self, locked: Locked<'_>, run: impl FnOnce(Attempt)) {
        let attempt = match &locked {
            Locked::Clean(_) => Attempt::First,
            Locked::Abandoned(_) => Attempt::Again,
        };
        if !self.is_done() {
            run(attempt);
            self.done.store(1, Ordering::Release);
        }
        drop(locked.or_repair(|| {}));
    }
}
