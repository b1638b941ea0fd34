//! A map of a file has no atomics: the file may be truncated under them.

use core::sync::atomic::AtomicU32;
use mmarinus::{Map, Shared, backing, perms};

fn atomics(map: &Map<perms::ReadWrite, Shared, backing::File>) -> &[AtomicU32] {
    map.atomics(..).unwrap()
}

fn main() {}
