//! A slice does not outlive its map.

use mmarinus::{Map, perms};

fn slice<'a>(map: Map<perms::Read>) -> &'a [u8] {
    map.as_slice()
}

fn dropped(map: Map<perms::Read>) -> u8 {
    let bytes = map.as_slice();
    drop(map);
    bytes[0]
}

fn main() {}
