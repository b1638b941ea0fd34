//! What was leaked is lent already, mutably and for ever.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let _bytes = map.leak();
    map[0]
}

fn main() {}
