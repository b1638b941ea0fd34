//! A request does not outlive the file that it is about: the number could be another file by then.

use std::fs::File;

use mmarinus::{Map, Private, backing, perms};

fn map(file: File) -> Map<perms::Read, Private, backing::File> {
    let request = Map::bytes(4096).anywhere().from(&file, 0);
    drop(file);
    request.with(perms::Read).unwrap()
}

fn main() {}
