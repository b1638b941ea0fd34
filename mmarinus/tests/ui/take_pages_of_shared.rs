//! Pages that are shared are not taken: both maps would be the same pages.

use mmarinus::{Map, Shared, perms};

fn taken(map: &mut Map<perms::ReadWrite, Shared>) {
    let _ = map.take_pages();
}

fn main() {}
