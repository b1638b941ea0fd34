//! Exclusive atomics need the map to be borrowed mutably.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, perms};

fn atomics(map: &Map<perms::ReadWrite>) -> &[AtomicU32] {
    map.atomics_mut(..).unwrap()
}

fn main() {}
