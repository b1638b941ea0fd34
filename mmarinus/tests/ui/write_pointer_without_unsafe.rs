//! The pointer of a map is made safely, and used by `unsafe` only.

use mmarinus::{Map, perms};

fn write(map: &Map<perms::None>) {
    *map.as_mut_ptr() = 1;
}

fn main() {}
