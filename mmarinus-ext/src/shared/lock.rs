//! A lock that survives its owner's death, and says so to the next one.

use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use std::thread;

use super::error::Error;
use super::futex::{self, Patience, Slept};
use super::identity::{self, Identity, is_mine, mine};
use super::protocol::{ABANDONED, Refused, Taken, Words, give, take, try_take};

mmarinus::shared_layout! {
    /// A lock between threads of any processes that share it, which survives its owner's death: a `futex`, and the owner's number
    /// and start in the word beside it.
    ///
    /// It is part of a struct of atomics (see [the module](super)), 16 zeros at first. What it protects are other parts of that
    /// struct, by agreement: others can always write them, so a guard lends nothing.
    ///
    /// If a thread dies with the lock, or panics, it may have left things half done. The next one gets
    /// [`Locked::Abandoned`], and so does everybody after it until one says that things are right again.
    ///
    /// Neither taking it nor giving it back is a system call while nobody has to wait (but the first time in each thread, which
    /// reads `/proc/thread-self/stat`, and in each process, which keeps a page that tells it when it was forked). Who waits looks
    /// after 2 to 100 milliseconds whether the owner still lives. Nothing is fair: who comes may be faster than who waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus_ext::shared::{self, Lock, Locked};
    ///
    /// let lock = shared::anonymous::<Lock>()?;
    /// match lock.lock()? {
    ///     Locked::Clean(_guard) => {} // Until the guard is dropped.
    ///     Locked::Abandoned(left) => {
    ///         // Put in order what the one before has left.
    ///         let _guard = left.consistent();
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A guard stays in its thread, whose number is in the lock:
    ///
    /// ```compile_fail,E0277
    /// use mmarinus_ext::shared::{self, Lock};
    ///
    /// let lock = shared::anonymous::<Lock>().unwrap();
    /// let held = lock.lock().unwrap();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || drop(held));
    /// });
    /// ```
    pub struct Lock {
        owner: AtomicU64,
        bell: AtomicU32,
        domain: AtomicU32,
    }
}

/// A lock that was taken, and whether its last owner gave it back.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub enum Locked<'lock> {
    /// Nobody has left anything half done.
    Clean(Guard<'lock>),
    /// Somebody died or panicked with the lock, and nobody has said since that things are right.
    Abandoned(Abandoned<'lock>),
}

/// The calling thread has the lock as long as this lives.
///
/// A panic meanwhile leaves the lock abandoned. In a forked child a copy of a guard is none: dropping it does nothing.
#[must_use = "the lock is given back when this is dropped"]
pub struct Guard<'lock> {
    held: Held<'lock>,
}

/// The calling thread has the lock as long as this lives, and what it protects may be half done.
///
/// If it is dropped, the next one finds the lock abandoned as well.
#[must_use = "say by `consistent` that things are right, or the lock stays abandoned"]
pub struct Abandoned<'lock> {
    held: Held<'lock>,
}

/// What both have.
struct Held<'lock> {
    lock: &'lock Lock,
    me: Identity,
    /// What is left in the word: 0, or [`ABANDONED`].
    left: u64,
    /// A panic was under way already.
    panicked: bool,
    /// It belongs to the thread.
    stays: PhantomData<*mut ()>,
}

impl Lock {
    /// Takes the lock, and waits for as long as a live thread has it: `futex` with `FUTEX_WAIT`.
    ///
    /// # Examples
    ///
    /// See [`Lock`].
    ///
    /// # Errors
    ///
    /// - [`Error::Deadlock`]: the calling thread has it.
    /// - [`Error::Elsewhere`]: it was used first in another pid or time namespace.
    /// - [`Error::Unknown`]: `/proc` does not tell which thread this is.
    ///
    /// # References
    ///
    /// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)
    pub fn lock(&self) -> Result<Locked<'_>, Error> {
        self.take_within(Patience::endless)
    }

    /// As [`lock`](Self::lock), but waits for no longer than this.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mmarinus_ext::shared::{self, Error, Lock};
    ///
    /// let lock = shared::anonymous::<Lock>()?;
    /// let held = lock.lock()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let error = lock.lock_within(Duration::from_millis(5)).unwrap_err();
    ///         assert_eq!(error, Error::TimedOut);
    ///     });
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As there, and [`Error::TimedOut`].
    ///
    /// # References
    ///
    /// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)
    pub fn lock_within(&self, time: Duration) -> Result<Locked<'_>, Error> {
        self.take_within(|| Patience::of(time))
    }

    /// Takes the lock if nobody who lives has it. Does not wait.
    ///
    /// # Errors
    ///
    /// As for [`lock_within`](Self::lock_within).
    pub fn try_lock(&self) -> Result<Locked<'_>, Error> {
        let me = self.enter()?;
        self.locked(me, try_take(self, me.owner))
    }

    /// Takes the lock.
    #[inline]
    fn take_within(&self, patience: impl Fn() -> Patience) -> Result<Locked<'_>, Error> {
        let me = self.enter()?;
        let mut waiting = None;
        let next = || waiting.get_or_insert_with(&patience).next();
        let taken = take(self, me.owner, next);
        self.locked(me, taken)
    }

    /// Who is about to use the lock, if it knows the numbers that the others know.
    #[inline]
    fn enter(&self) -> Result<Identity, Error> {
        let me = mine()?;
        let domain = match self.domain.load(Ordering::Relaxed) {
            0 => {
                let set = self.domain.compare_exchange(
                    0,
                    me.domain,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                set.err().unwrap_or(me.domain)
            }
            domain => domain,
        };
        if domain == me.domain {
            Ok(me)
        } else {
            Err(Error::Elsewhere)
        }
    }

    /// The guard of a lock that was taken.
    #[inline]
    fn locked(&self, me: Identity, taken: Result<Taken, Refused>) -> Result<Locked<'_>, Error> {
        let held = |left| Held {
            lock: self,
            me,
            left,
            panicked: thread::panicking(),
            stays: PhantomData,
        };
        match taken {
            Ok(Taken::Clean) => Ok(Locked::Clean(Guard { held: held(0) })),
            Ok(Taken::Abandoned) => Ok(Locked::Abandoned(Abandoned {
                held: held(ABANDONED),
            })),
            Err(Refused::Ours) => Err(Error::Deadlock),
            Err(Refused::Late) => Err(Error::TimedOut),
        }
    }
}

impl Words for Lock {
    #[inline]
    fn load(&self) -> u64 {
        self.owner.load(Ordering::Acquire)
    }

    #[inline]
    fn exchange(&self, old: u64, new: u64) -> Result<u64, u64> {
        self.owner
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
    }

    fn bell(&self) -> u32 {
        self.bell.load(Ordering::Acquire)
    }

    fn ring(&self) {
        self.bell.fetch_add(1, Ordering::Release);
        futex::wake_one(&self.bell);
    }

    fn sleep(&self, bell: u32, at_most: Duration) -> Slept {
        futex::sleep(&self.bell, bell, at_most)
    }

    fn is_dead(&self, owner: u64) -> bool {
        identity::is_dead(owner)
    }
}

impl<'lock> Locked<'lock> {
    /// The guard; if the lock was abandoned, once `repair` has put things in order. A panic in there leaves it abandoned.
    pub fn or_repair(self, repair: impl FnOnce()) -> Guard<'lock> {
        match self {
            Self::Clean(guard) => guard,
            Self::Abandoned(left) => {
                repair();
                left.consistent()
            }
        }
    }

    /// Whether it was abandoned.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        matches!(self, Self::Abandoned(_))
    }
}

impl<'lock> Abandoned<'lock> {
    /// Says that what the lock protects is right again.
    pub fn consistent(self) -> Guard<'lock> {
        let mut held = self.held;
        held.left = 0;
        Guard { held }
    }
}

impl Guard<'_> {
    /// Gives the lock back as abandoned: what it protects is half done, and the next one shall know.
    pub fn abandon(mut self) {
        self.held.left = ABANDONED;
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if !is_mine(self.me) {
            // A forked child, which has a copy of the guard and not the lock.
            return;
        }
        if thread::panicking() && !self.panicked {
            self.left = ABANDONED;
        }
        give(self.lock, self.me.owner, mem::take(&mut self.left));
    }
}

impl fmt::Debug for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl fmt::Debug for Abandoned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Abandoned").finish_non_exhaustive()
    }
}
