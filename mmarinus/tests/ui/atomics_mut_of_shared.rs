//! Memory that others change gives no exclusive atomics.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, Shared, perms};

fn atomics(map: &mut Map<perms::ReadWrite, Shared>) -> &mut [AtomicU32] {
    map.atomics_mut(..).unwrap()
}

fn main() {}
