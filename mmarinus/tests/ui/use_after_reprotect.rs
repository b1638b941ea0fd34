//! What was reprotected is gone under its old type.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let _new = map.reprotect(perms::None);
    map[0]
}

fn main() {}
