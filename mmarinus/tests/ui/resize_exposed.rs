//! A guest has the pages that it was given; the map of them keeps its length.

use mmarinus::{Map, perms};

fn larger(map: Map<perms::ReadWrite>) {
    let _ = map.expose().resize(1 << 20);
}

fn main() {}
