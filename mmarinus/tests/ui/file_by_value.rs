//! A file is lent to the request, not given to it.

use std::fs::File;

use mmarinus::{Map, perms};

fn map(file: File) {
    let _ = Map::bytes(4096).anywhere().from(file, 0).with(perms::Read);
}

fn main() {}
