//! What is observed is loaded, never stored to, and its atomic is not handed out.

use core::sync::atomic::{AtomicU32, Ordering};
use mmarinus::Observed;

fn store(word: &Observed<AtomicU32>) {
    word.store(1, Ordering::Relaxed);
}

fn unwrap(word: &Observed<AtomicU32>) -> &AtomicU32 {
    &word.0
}

fn deref(word: &Observed<AtomicU32>) -> &AtomicU32 {
    word
}

fn main() {}
