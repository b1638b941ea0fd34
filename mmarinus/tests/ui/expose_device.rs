//! A device whose pages may be no memory is not exposed.

use mmarinus::{Map, Shared, backing, perms};

fn expose(map: Map<perms::ReadWrite, Shared, backing::Device>) {
    let _ = map.expose();
}

fn main() {}
