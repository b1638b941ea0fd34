//! A map that is being replaced is gone already.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let _request = map.remap();
    map[0]
}

fn main() {}
