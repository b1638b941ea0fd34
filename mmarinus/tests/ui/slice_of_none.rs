//! Pages that nobody may touch have no slice.

use mmarinus::{Map, perms};

fn slice(map: &Map<perms::None>) -> &[u8] {
    map.as_slice()
}

fn main() {}
