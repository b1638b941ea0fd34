//! Private anonymous memory has slices, so it has no atomics through `&self`.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, perms};

fn atomics(map: &Map<perms::ReadWrite>) -> &[AtomicU32] {
    map.atomics(..).unwrap()
}

fn main() {}
