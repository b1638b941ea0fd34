//! Two maps with slices of the same bytes could be written through one of them.

use mmarinus::{Map, Shared, backing, perms};

fn twins(map: &Map<perms::ReadWrite, Shared, backing::Stable>) {
    let _ = map.duplicate();
}

fn main() {}
