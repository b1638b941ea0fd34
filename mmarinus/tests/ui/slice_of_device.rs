//! A map of a device has no slice: the device writes when it likes.

use mmarinus::{Map, Shared, backing, perms};

fn slice(map: &Map<perms::Read, Shared, backing::Device>) -> &[u8] {
    map.as_slice()
}

fn main() {}
