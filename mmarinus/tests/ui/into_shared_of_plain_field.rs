//! A struct with a field that is no atomic is not shared.
use std::sync::atomic::AtomicU32;

mmarinus::shared_layout! {
    struct Header {
        count: AtomicU32,
        length: u32,
    }
}

fn main() {}
