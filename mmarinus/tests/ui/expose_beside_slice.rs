//! Memory is not exposed while a slice of it lives.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let bytes = map.as_slice();
    let _ram = map.expose();
    bytes[0]
}

fn main() {}
