//! A byte of a map that may only be read is not assigned to.

use mmarinus::{Map, perms};

fn assign(map: &mut Map<perms::Read>) {
    map[0] = 1;
}

fn main() {}
