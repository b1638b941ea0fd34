//! A file that nobody else writes has slices, so it has no atomics through `&self`.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, Shared, backing, perms};

fn atomics(map: &Map<perms::ReadWrite, Shared, backing::Stable>) -> &[AtomicU32] {
    map.atomics(..).unwrap()
}

fn main() {}
