//! Memory that nobody else changes has slices, and is not observed.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, Observed, perms};

fn observe(map: &Map<perms::Read>) -> &[Observed<AtomicU32>] {
    map.observe(..).unwrap()
}

fn main() {}
