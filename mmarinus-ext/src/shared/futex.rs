//! Sleeping on a word of shared memory, and waking who sleeps there: `futex`.

use core::sync::atomic::AtomicU32;
use core::time::Duration;
use std::thread;
use std::time::Instant;

use mmarinus::Errno;
use rustix::thread::futex::{self, Flags, Timespec};

/// How long somebody sleeps at first without looking whether the others still live.
const SHORTEST: Duration = Duration::from_millis(2);

/// How long at most.
const LONGEST: Duration = Duration::from_millis(100);

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slept {
    /// Somebody woke us, or the word was another already.
    Woken,
    /// Time is over, or a signal came: some programs get one every millisecond, and would never look otherwise.
    Out,
}

/// Sleeps until somebody wakes this word, if it has this value: not for longer than `at_most`, and perhaps for less.
#[cold]
pub(super) fn sleep(word: &AtomicU32, seen: u32, at_most: Duration) -> Slept {
    let time = Timespec {
        tv_sec: at_most.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    // Others have the word at other addresses, so this is no `PRIVATE` one.
    match futex::wait(word, Flags::empty(), seen, Some(&time)) {
        Ok(()) | Err(Errno::AGAIN) => Slept::Woken,
        Err(Errno::TIMEDOUT | Errno::INTR) => Slept::Out,
        // A sandbox that has no futex. Who cannot sleep there sleeps elsewhere.
        Err(_) => {
            thread::sleep(at_most.min(SHORTEST));
            Slept::Out
        }
    }
}

/// Wakes one who sleeps on this word.
#[cold]
pub(super) fn wake_one(word: &AtomicU32) {
    // Who sleeps in vain looks again by itself.
    let _ = futex::wake(word, Flags::empty(), 1);
}

/// Wakes all who sleep on this word.
#[cold]
pub(super) fn wake_all(word: &AtomicU32) {
    let _ = futex::wake(word, Flags::empty(), i32::MAX as u32);
}

/// Until when somebody waits, and in which parts: whoever should wake us may have died before.
#[derive(Debug)]
pub(super) struct Patience {
    until: Option<Instant>,
    part: Duration,
}

impl Patience {
    /// For ever.
    pub(super) fn endless() -> Self {
        Self {
            until: None,
            part: SHORTEST,
        }
    }

    /// For so long, from now on. What is longer than a clock can tell is for ever.
    pub(super) fn of(time: Duration) -> Self {
        Self {
            until: Instant::now().checked_add(time),
            part: SHORTEST,
        }
    }

    /// How long to sleep next, if it is not over.
    pub(super) fn next(&mut self) -> Option<Duration> {
        let part = self.part;
        self.part = (2 * part).min(LONGEST);
        let Some(until) = self.until else {
            return Some(part);
        };
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(part.min(left))
    }
}
