//! What replaces a map goes where the map is.

use mmarinus::{Map, perms};

fn map(map: Map<perms::Read>) {
    let _ = map.remap().at(1 << 32).anonymously().with(perms::Read);
}

fn main() {}
