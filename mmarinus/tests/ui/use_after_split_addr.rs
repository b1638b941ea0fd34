//! A map that was split at an address is gone as a whole.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let _parts = map.split_addr(1 << 32);
    map[0]
}

fn main() {}
