//! A map of a device has no atomics without a promise.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, Shared, backing, perms};

fn atomics(map: &Map<perms::ReadWrite, Shared, backing::Device>) -> &[AtomicU32] {
    map.atomics(..).unwrap()
}

fn main() {}
