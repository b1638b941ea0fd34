//! Shared anonymous memory has no slice: forked children write it.

use mmarinus::{Map, Shared, perms};

fn slice(map: &Map<perms::ReadWrite, Shared>) -> &[u8] {
    map.as_slice()
}

fn main() {}
