//! What replaces a map has the place of the map alone: no room for guards beside it.

use mmarinus::{Map, perms};

fn replace(map: Map<perms::ReadWrite>) {
    let _ = map.remap().anonymously().guarded().with(perms::Read);
}

fn main() {}
