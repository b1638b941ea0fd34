//! A chunk of a view does not outlive the map.

use mmarinus::{Map, Shared, perms};

fn dropped(map: Map<perms::ReadWrite, Shared>) {
    let chunk = map.view(..).unwrap().chunks(16).next().unwrap();
    map.unmap().unwrap();
    chunk.write_at(0, b"late").unwrap();
}

fn main() {}
