//! How threads of several processes agree on whose a lock is: a word that names its owner, and a word to sleep on.
//!
//! The first word is 0, or only [`ABANDONED`], when nobody has the lock. Else it names the owner, all at once: there is no moment
//! in which a thread that is killed has the lock and is not named. It changes from one owner to the next in one exchange:
//!
//! - from nobody to an owner, by that owner;
//! - from an owner to nobody, by that owner;
//! - from an owner that has died to the next one, by that one. The dead are never named again, so the exchange only succeeds if
//!   nobody else was faster.
//!
//! Who has to wait says so by [`WAITED_FOR`], and sleeps on the second word, the *bell*, which counts. Who gives back a lock
//! that is waited for adds to the bell and wakes one. A sleeper has read the bell before it has seen the lock taken; so if it was
//! given back since, either the bell has changed and the kernel does not let it sleep, or it sleeps and is woken. Who was woken
//! takes the lock as waited for, since others may sleep.
//!
//! Who should wake others may be killed before. So nobody sleeps for long without looking at both words, and at the owner, again.
//!
//! Whoever writes the words otherwise can make a lock be held by several or by none, and make others wait as long as they have
//! time.

use core::time::Duration;

use super::futex::Slept;

/// In a word that names nobody: what the lock protects may be half done.
pub(super) const ABANDONED: u64 = 1 << 30;

/// In a word that names an owner: others sleep.
pub(super) const WAITED_FOR: u64 = 1 << 31;

/// The number of the owner, which no thread has as 0.
pub(super) const NUMBER: u64 = ABANDONED - 1;

/// What a lock is made of. Tests put a checker's words in its place.
pub(super) trait Words {
    /// Loads the first word (`Acquire`).
    fn load(&self) -> u64;

    /// Puts `new` in the place of `old` (`AcqRel`), or says what is there (`Acquire`).
    fn exchange(&self, old: u64, new: u64) -> Result<u64, u64>;

    /// Loads the bell (`Acquire`).
    fn bell(&self) -> u32;

    /// Adds to the bell (`Release`), and wakes one who sleeps.
    fn ring(&self);

    /// Sleeps until the bell is rung, if it has this value.
    fn sleep(&self, bell: u32, at_most: Duration) -> Slept;

    /// Whether the owner that a word names has certainly died.
    fn is_dead(&self, owner: u64) -> bool;
}

/// A lock that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// From nobody.
    Clean,
    /// From somebody who may have left things half done.
    Abandoned,
}

/// Why a lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is ours already.
    Ours,
    /// Our time is over.
    Late,
}

/// The owner that a word names, without what is said besides.
fn owner(word: u64) -> u64 {
    word & !(ABANDONED | WAITED_FOR)
}

/// Whether a word names nobody.
fn is_free(word: u64) -> bool {
    word & NUMBER == 0
}

/// Takes the lock for `me`, and waits for that for as long as `next` says how long to sleep.
#[inline]
pub(super) fn take(
    words: &impl Words,
    me: u64,
    next: impl FnMut() -> Option<Duration>,
) -> Result<Taken, Refused> {
    match words.exchange(0, me) {
        Ok(_) => Ok(Taken::Clean),
        Err(_) => wait(words, me, next),
    }
}

/// The same, where somebody has it, or had.
#[cold]
fn wait(
    words: &impl Words,
    me: u64,
    mut next: impl FnMut() -> Option<Duration>,
) -> Result<Taken, Refused> {
    // What the word says besides when we take it: once we have slept, others may sleep as well.
    let mut besides = 0;
    // An owner that did not wake us in time.
    let mut suspect = None;
    loop {
        let bell = words.bell();
        let word = words.load();
        if is_free(word) {
            if words.exchange(word, me | besides).is_ok() {
                return Ok(if word & ABANDONED == 0 {
                    Taken::Clean
                } else {
                    Taken::Abandoned
                });
            }
        } else if owner(word) == me {
            return Err(Refused::Ours);
        } else if suspect == Some(owner(word)) && words.is_dead(owner(word)) {
            if words.exchange(word, me | WAITED_FOR).is_ok() {
                return Ok(Taken::Abandoned);
            }
        } else {
            let Some(at_most) = next() else {
                // We may have been woken in the place of another.
                if besides != 0 {
                    words.ring();
                }
                return Err(Refused::Late);
            };
            let is_said = word & WAITED_FOR != 0 || words.exchange(word, word | WAITED_FOR).is_ok();
            if is_said {
                besides = WAITED_FOR;
                suspect = match words.sleep(bell, at_most) {
                    Slept::Woken => None,
                    Slept::Out => Some(owner(word)),
                };
            }
            continue;
        }
        // Somebody else was faster, or writes all the time.
        if next().is_none() {
            if besides != 0 {
                words.ring();
            }
            return Err(Refused::Late);
        }
    }
}

/// Takes the lock for `me` from nobody or from somebody who has died, and does not wait.
pub(super) fn try_take(words: &impl Words, me: u64) -> Result<Taken, Refused> {
    let word = match words.exchange(0, me) {
        Ok(_) => return Ok(Taken::Clean),
        Err(word) => word,
    };
    if owner(word) == me && !is_free(word) {
        return Err(Refused::Ours);
    }
    let (new, taken) = if is_free(word) {
        let is_clean = word & ABANDONED == 0;
        let taken = if is_clean {
            Taken::Clean
        } else {
            Taken::Abandoned
        };
        (me, taken)
    } else if words.is_dead(owner(word)) {
        (me | WAITED_FOR, Taken::Abandoned)
    } else {
        return Err(Refused::Late);
    };
    match words.exchange(word, new) {
        Ok(_) => Ok(taken),
        Err(_) => Err(Refused::Late),
    }
}

/// Gives back the lock that `me` has. What is left is 0, or [`ABANDONED`].
#[inline]
pub(super) fn give(words: &impl Words, me: u64, left: u64) {
    let mut seen = me;
    loop {
        match words.exchange(seen, left) {
            Ok(_) if seen & WAITED_FOR != 0 => return words.ring(),
            Ok(_) => return,
            // Somebody waits since.
            Err(now) if owner(now) == me && !is_free(now) => seen = now,
            // Whoever wrote that has the lock now, as far as the words go.
            Err(_) => return,
        }
    }
}
