//! A map that was moved is gone from its old place.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let _elsewhere = map.move_to(1 << 40);
    map[0]
}

fn main() {}
