//! A file whose pages may vanish is not exposed.

use mmarinus::{Map, Shared, backing, perms};

fn expose(map: Map<perms::ReadWrite, Shared, backing::File>) {
    let _ = map.expose();
}

fn main() {}
