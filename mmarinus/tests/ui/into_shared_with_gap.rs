//! A gap between two fields belongs to no atomic.
use std::sync::atomic::{AtomicU8, AtomicU32};

mmarinus::shared_layout! {
    struct Header {
        flag: AtomicU8,
        count: AtomicU32,
    }
}

fn main() {}
