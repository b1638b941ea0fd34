//! Shared memory is not supplied as slices: forked children write it.

use mmarinus::{Map, Shared, perms};

fn supply(map: Map<perms::ReadWrite, Shared>) {
    let _ = map.supply_pages();
}

fn main() {}
