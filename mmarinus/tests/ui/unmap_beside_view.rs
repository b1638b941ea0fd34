//! A map is not unmapped while a view of it lives.

use mmarinus::{Map, Shared, perms};

fn stale(map: Map<perms::ReadWrite, Shared>) {
    let view = map.view(..).unwrap();
    let _done = map.unmap();
    view.write_at(0, b"late").unwrap();
}

fn main() {}
