//! Pages that may only be written are not observed.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, Observed, Shared, perms};

fn observe(map: &Map<perms::Write, Shared>) -> &[Observed<AtomicU32>] {
    map.observe(..).unwrap()
}

fn main() {}
