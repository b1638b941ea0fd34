//! Pages that were promised to be there are those of the map, not those behind it.

use mmarinus::{Map, Shared, backing, perms};

fn larger(map: Map<perms::Read, Shared, backing::Present>) {
    let _ = map.resize(1 << 20);
}

fn main() {}
