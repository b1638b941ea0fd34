//! What was exposed has no slices any more.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let _ram = map.expose();
    map[0]
}

fn main() {}
