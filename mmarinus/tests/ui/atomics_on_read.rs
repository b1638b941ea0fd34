//! Atomics can be stored to, so pages that may only be read have none; `observe` is for those.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, Shared, backing, perms};

fn atomics(map: &Map<perms::Read, Shared, backing::Present>) -> &[AtomicU32] {
    map.atomics(..).unwrap()
}

fn main() {}
