//! A request with options must say what it maps, too.

use mmarinus::{Map, Shared, perms};

fn map() {
    let _ = Map::bytes(4096)
        .near(1 << 32)
        .with_kind(Shared)
        .populate()
        .with(perms::Read);
}

fn main() {}
