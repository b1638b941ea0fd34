//! A map of a file has no slice, not even a private one: others may write or truncate the file.

use mmarinus::{Map, Private, backing, perms};

fn slice(map: &Map<perms::Read, Private, backing::File>) -> &[u8] {
    map.as_slice()
}

fn main() {}
