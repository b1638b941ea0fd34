//! A map that was split is gone as a whole.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let _parts = map.split(4096);
    map[0]
}

fn main() {}
