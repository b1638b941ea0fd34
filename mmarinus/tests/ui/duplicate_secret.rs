//! Secret memory has one map: two would be two mutable slices of the same bytes.

use mmarinus::{Map, Shared, backing, perms};

fn twins(map: &Map<perms::ReadWrite, Shared, backing::Secret>) {
    let _ = map.duplicate();
}

fn main() {}
