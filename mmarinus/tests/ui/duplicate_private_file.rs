//! Nor has a private map of a file.

use mmarinus::{Map, Private, backing, perms};

fn twins(map: &Map<perms::ReadWrite, Private, backing::File>) {
    let _ = map.duplicate();
}

fn main() {}
