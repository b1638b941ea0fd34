//! The owner of the pages does not come out of its map.

use mmarinus::{Map, perms};

fn take(map: Map<perms::Read>) {
    let _ = map.region;
    let _ = map.into_region();
}

fn main() {}
