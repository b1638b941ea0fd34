//! The driver of a device decides how many pages there are.

use mmarinus::{Map, Shared, backing, perms};

fn larger(map: Map<perms::Read, Shared, backing::Device>) {
    let _ = map.resize(1 << 20);
}

fn main() {}
