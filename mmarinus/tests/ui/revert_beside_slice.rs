//! Pages do not go back to the file under a slice of them.

use mmarinus::{Map, Private, backing, perms};

fn stale(mut map: Map<perms::ReadWrite, Private, backing::Stable>) -> u8 {
    let bytes = map.as_slice();
    let _ = map.revert(..);
    bytes[0]
}

fn main() {}
