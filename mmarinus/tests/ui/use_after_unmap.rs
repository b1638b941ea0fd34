//! What was unmapped is gone.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let _done = map.unmap();
    map[0]
}

fn main() {}
