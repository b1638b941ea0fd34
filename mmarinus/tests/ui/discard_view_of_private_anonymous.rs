//! A view is shared, and nobody empties pages through it of which others may have slices.

use mmarinus::{Map, perms};

fn empty(map: &Map<perms::ReadWrite>) {
    let _ = map.view(..).unwrap().discard(..);
}

fn main() {}
