//! A map of a file has no name but the file's.

use mmarinus::{Map, Shared, backing, perms};

fn asks(file: &std::fs::File) {
    let _ = Map::bytes(1).from(file, 0).named("mine").with(perms::Read);
}

fn names(map: &Map<perms::Read, Shared, backing::File>) {
    let _ = map.name("mine");
}

fn main() {}
