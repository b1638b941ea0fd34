//! A private map has nothing to make durable.

use mmarinus::{Map, perms};

fn maps(file: &std::fs::File) {
    let _ = Map::bytes(1).from(file, 0).synchronous().with(perms::Read);
}

fn main() {}
