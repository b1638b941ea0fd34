//! A map of a file has no bytes to index.

use mmarinus::{Map, Shared, backing, perms};

fn byte(map: &Map<perms::Read, Shared, backing::File>) -> u8 {
    map[0]
}

fn main() {}
