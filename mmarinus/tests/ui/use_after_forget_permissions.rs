//! A map whose permissions were forgotten is gone under its old type.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let _map = map.forget_permissions();
    map[0]
}

fn main() {}
