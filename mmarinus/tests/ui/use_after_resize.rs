//! A map that was resized is where its new value says.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let _smaller = map.resize(0);
    map[0]
}

fn main() {}
