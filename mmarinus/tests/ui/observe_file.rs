//! A file is not observed without a promise: it may be truncated.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, Observed, Shared, backing, perms};

fn observe(map: &Map<perms::Read, Shared, backing::File>) -> &[Observed<AtomicU32>] {
    map.observe(..).unwrap()
}

fn main() {}
