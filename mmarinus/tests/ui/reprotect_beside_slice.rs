//! Permissions are not taken away while a slice lives.

use mmarinus::{Map, perms};

fn stale(map: Map<perms::ReadWrite>) -> u8 {
    let bytes = map.as_slice();
    let _none = map.reprotect(perms::None);
    bytes[0]
}

fn main() {}
