//! A counter that others wait for.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use super::error::Error;
use super::futex::{self, Patience};

mmarinus::shared_layout! {
    /// A number that threads of all the processes that share it add to, and wait for.
    ///
    /// It is part of a struct of atomics (see [the module](super)), 16 zeros at first. Counting is one atomic instruction, and a
    /// system call only where somebody waits. What was done before [`add`](Self::add) is to be seen by whoever sees the sum.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus_ext::shared::{self, Counter};
    ///
    /// let done = shared::anonymous::<Counter>()?;
    /// std::thread::scope(|scope| {
    ///     for _ in 0..3 {
    ///         scope.spawn(|| done.add(1));
    ///     }
    ///     assert_eq!(done.wait(3), 3);
    /// });
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    pub struct Counter {
        count: AtomicU64,
        bell: AtomicU32,
        /// Not 0 if somebody sleeps, or did.
        awaited: AtomicU32,
    }
}

impl Counter {
    /// The number.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Adds to the number, and gives what it was before: so each of those who add 1 gets another. It wraps around.
    #[inline]
    pub fn add(&self, more: u64) -> u64 {
        // With the same order in `wait_with`, either we see who waits or that one sees the sum.
        let before = self.count.fetch_add(more, Ordering::SeqCst);
        if self.awaited.load(Ordering::SeqCst) != 0 {
            self.wake();
        }
        before
    }

    /// Wakes those who wait.
    #[cold]
    fn wake(&self) {
        if self.awaited.swap(0, Ordering::SeqCst) != 0 {
            self.bell.fetch_add(1, Ordering::SeqCst);
            futex::wake_all(&self.bell);
        }
    }

    /// Waits until the number is `least` or more, and gives it: `futex` with `FUTEX_WAIT`.
    ///
    /// That may be for ever if those who should count have died; [`wait_within`](Self::wait_within) has an end.
    ///
    /// # Examples
    ///
    /// See [`Counter`].
    ///
    /// # References
    ///
    /// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)
    pub fn wait(&self, least: u64) -> u64 {
        let mut patience = Patience::endless();
        loop {
            if let Ok(count) = self.wait_with(least, &mut patience) {
                return count;
            }
        }
    }

    /// As [`wait`](Self::wait), but for no longer than this.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`].
    ///
    /// # References
    ///
    /// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)
    pub fn wait_within(&self, least: u64, time: Duration) -> Result<u64, Error> {
        self.wait_with(least, &mut Patience::of(time))
    }

    fn wait_with(&self, least: u64, patience: &mut Patience) -> Result<u64, Error> {
        let count = self.get();
        if count >= least {
            return Ok(count);
        }
        loop {
            let bell = self.bell.load(Ordering::SeqCst);
            self.awaited.store(1, Ordering::SeqCst);
            let count = self.count.load(Ordering::SeqCst);
            if count >= least {
                return Ok(count);
            }
            let at_most = patience.next().ok_or(Error::TimedOut)?;
            futex::sleep(&self.bell, bell, at_most);
        }
    }
}
