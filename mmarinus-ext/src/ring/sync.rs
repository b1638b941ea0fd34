//! What the protocol of the halves is made of: atomics, and a word to sleep on (`futex`). Tests put a checker's in their place.

use core::time::Duration;

use rustix::thread::futex::{self, Flags, Timespec};

pub(super) use core::sync::atomic::{AtomicU32, Ordering, fence};

/// Sleeps until somebody wakes this word, if it still has this value: not for longer than `at_most`, and perhaps for less.
#[cold]
pub(super) fn sleep(word: &AtomicU32, seen: u32, at_most: Option<Duration>) {
    // A time that is too long to be told is for ever.
    let at_most = at_most.and_then(|time| Timespec::try_from(time).ok());
    // What it says does not matter: whoever slept looks again. The word may be in a file, so this is no `PRIVATE` one.
    let _ = futex::wait(word, Flags::empty(), seen, at_most.as_ref());
}

/// Wakes whoever sleeps on this word.
#[cold]
pub(super) fn wake(word: &AtomicU32) {
    // There is no error but for words that are not mapped.
    let _ = futex::wake(word, Flags::empty(), i32::MAX as u32);
}
