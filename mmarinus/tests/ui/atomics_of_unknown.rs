//! Permissions that are known at run time only give no atomics.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, Observed, Shared, perms};

fn atomics(map: &Map<perms::Unknown, Shared>) -> &[AtomicU32] {
    map.atomics(..).unwrap()
}

fn observe(map: &Map<perms::Unknown, Shared>) -> &[Observed<AtomicU32>] {
    map.observe(..).unwrap()
}

fn main() {}
