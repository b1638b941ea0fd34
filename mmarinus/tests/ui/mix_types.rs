//! Maps of different permissions, kinds or backings are different types.

use mmarinus::{Map, Private, Shared, backing, perms};

fn permissions(map: Map<perms::Read>) -> Map<perms::ReadWrite> {
    map
}

fn kind(map: Map<perms::Read, Shared>) -> Map<perms::Read, Private> {
    map
}

fn backing(map: Map<perms::Read, Private, backing::File>) -> Map<perms::Read> {
    map
}

fn main() {}
