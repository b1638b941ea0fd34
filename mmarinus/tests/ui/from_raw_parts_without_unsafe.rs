//! A map of any address is a promise.

use mmarinus::{Map, perms};

fn anywhere() -> Map<perms::Read> {
    Map::from_raw_parts(core::ptr::dangling_mut(), 4096, 4096, perms::Read)
}

fn main() {}
