//! Memory that may be dropped turns to zeros behind a slice.

use mmarinus::{Map, Private, backing, perms};

fn slice(map: &Map<perms::ReadWrite, Private, backing::Droppable>) -> &[u8] {
    map.as_slice()
}

fn main() {}
