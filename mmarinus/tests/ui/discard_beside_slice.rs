//! Pages are not emptied under a slice of them.

use mmarinus::{Map, perms};

fn stale(mut map: Map<perms::ReadWrite>) -> u8 {
    let bytes = map.as_slice();
    let _ = map.discard(..);
    bytes[0]
}

fn main() {}
