//! There is no iterator over the bytes of a file.

use mmarinus::{Map, Private, backing, perms};

fn lines(map: &Map<perms::Read, Private, backing::File>) -> usize {
    map.iter().filter(|byte| **byte == b'\n').count()
}

fn main() {}
