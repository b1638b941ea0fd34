//! A map of a file is no `AsRef<[u8]>`.

use mmarinus::{Map, Private, backing, perms};

fn slice(map: &Map<perms::Read, Private, backing::File>) -> &[u8] {
    map.as_ref()
}

fn main() {}
