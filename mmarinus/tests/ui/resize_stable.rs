//! What was promised of a file holds for its mapped bytes; more of it is not promised.

use mmarinus::{Map, Private, backing, perms};

fn larger(map: Map<perms::Read, Private, backing::Stable>) {
    let _ = map.resize(1 << 20);
}

fn main() {}
