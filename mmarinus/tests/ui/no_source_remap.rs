//! A request to replace a map must say by what.

use mmarinus::{Map, perms};

fn map(map: Map<perms::Read>) {
    let _ = map.remap().with(perms::Read);
}

fn main() {}
