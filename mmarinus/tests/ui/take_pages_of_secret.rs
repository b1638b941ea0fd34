//! Secret pages are not taken: they would be at two places.

use mmarinus::{Map, Shared, backing, perms};

fn taken(map: &mut Map<perms::ReadWrite, Shared, backing::Secret>) {
    let _ = map.take_pages();
}

fn main() {}
