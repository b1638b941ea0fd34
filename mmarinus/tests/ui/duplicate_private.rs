//! Private memory has nothing to share with a second map.

use mmarinus::{Map, perms};

fn twins(map: &Map<perms::ReadWrite>) {
    let _ = map.duplicate();
}

fn main() {}
