//! Shared anonymous memory keeps its size: pages past it would be SIGBUS.

use mmarinus::{Map, Shared, perms};

fn larger(map: Map<perms::ReadWrite, Shared>) {
    let _ = map.resize(1 << 20);
}

fn main() {}
