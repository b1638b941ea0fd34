//! A map does not move away under a slice of it.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let bytes = map.as_slice();
    let _larger = map.resize(1 << 20);
    bytes[0]
}

fn main() {}
