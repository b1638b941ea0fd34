//! Taking pages changes the map, so a shared reference is not enough.

use mmarinus::{Map, perms};

fn taken(map: &Map<perms::ReadWrite>) {
    let _ = map.take_pages();
}

fn main() {}
