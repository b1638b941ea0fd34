//! Pages are not taken away under a slice of them.

use mmarinus::{Map, perms};

fn stale(mut map: Map<perms::ReadWrite>) -> u8 {
    let bytes = map.as_slice();
    let _taken = map.take_pages();
    bytes[0]
}

fn main() {}
