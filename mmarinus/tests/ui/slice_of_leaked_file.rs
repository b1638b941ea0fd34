//! A leaked map of a file is a view, no slice.

use mmarinus::{Map, Private, backing, perms};

fn leak(map: Map<perms::Read, Private, backing::File>) -> &'static [u8] {
    map.leak()
}

fn main() {}
