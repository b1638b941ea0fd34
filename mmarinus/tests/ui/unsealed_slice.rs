//! A file whose size alone is sealed has no slice: others write it.

use mmarinus::{Map, Private, Shared, backing, perms};

fn private(map: &Map<perms::Read, Private, backing::SizeSealed>) -> &[u8] {
    map.as_slice()
}

fn shared(map: &Map<perms::Read, Shared, backing::SizeSealed>) -> &[u8] {
    map.as_slice()
}

fn main() {}
