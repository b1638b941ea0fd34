//! Pages of a shared file are not taken, not even some of them.

use mmarinus::{Map, Shared, backing, perms};

fn taken(map: &mut Map<perms::ReadWrite, Shared, backing::File>) {
    let _ = map.take_pages_at(..4096);
}

fn main() {}
