//! A file that is opened in the middle of the line is closed at its end.

use std::fs::File;

use mmarinus::{Map, Private, backing, perms};

fn map() -> Map<perms::Read, Private, backing::File> {
    let request = Map::bytes(4096)
        .anywhere()
        .from(&File::open("/etc/passwd").unwrap(), 0);
    request.with(perms::Read).unwrap()
}

fn main() {}
