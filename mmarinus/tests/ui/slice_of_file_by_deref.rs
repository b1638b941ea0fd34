//! A map of a file does not turn into a slice by itself either.

use mmarinus::{Map, Private, backing, perms};

fn slice(map: &Map<perms::Read, Private, backing::File>) -> &[u8] {
    map
}

fn main() {}
