//! The pages of a file are never dropped.

use mmarinus::{Map, perms};

fn drops(file: &std::fs::File) {
    let _ = Map::bytes(1).from(file, 0).droppable().with(perms::Read);
}

fn main() {}
