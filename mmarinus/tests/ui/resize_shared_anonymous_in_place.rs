//! Shared anonymous memory keeps its size in place as well.

use mmarinus::{Map, Shared, perms};

fn larger(map: Map<perms::ReadWrite, Shared>) {
    let _ = map.resize_in_place(1 << 20);
}

fn main() {}
