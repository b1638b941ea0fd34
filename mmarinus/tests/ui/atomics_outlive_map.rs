//! Atomics do not outlive their map.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, Shared, perms};

fn atomics<'a>(map: Map<perms::ReadWrite, Shared>) -> &'a [AtomicU32] {
    map.atomics(..).unwrap()
}

fn main() {}
