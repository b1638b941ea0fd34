//! A map is not split while a slice of it lives: a part could be unmapped.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::Read>) -> u8 {
    let bytes = map.as_slice();
    drop(map.split(0));
    bytes[0]
}

fn main() {}
