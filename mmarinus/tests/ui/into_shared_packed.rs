//! Another layout than that of C is not taken: atomics are aligned.
use std::sync::atomic::{AtomicU8, AtomicU32};

mmarinus::shared_layout! {
    #[repr(packed)]
    struct Header {
        flag: AtomicU8,
        count: AtomicU32,
    }
}

fn main() {}
