//! Through `&` nobody empties pages of which others may have slices.

use mmarinus::{Map, perms};

fn empty(map: &Map<perms::ReadWrite>) {
    let _ = map.discard(..);
}

fn main() {}
