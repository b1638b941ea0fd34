//! A map that was sealed is changed no more.

use mmarinus::{Map, perms};

fn stale(mut map: Map<perms::ReadWrite>) {
    let _sealed = map.mseal();
    map[0] = 1;
}

fn main() {}
