//! Secret memory keeps its size: pages past it would be SIGBUS.

use mmarinus::{Map, Shared, backing, perms};

fn larger(map: Map<perms::ReadWrite, Shared, backing::Secret>) {
    let _ = map.resize(1 << 20);
}

fn main() {}
