//! A file is not both what it was and what was promised of it.

use mmarinus::{Map, Private, backing, perms};

fn stale(map: Map<perms::Read, Private, backing::File>) -> usize {
    let _map = unsafe { map.assume_stable() };
    map.len()
}

fn main() {}
