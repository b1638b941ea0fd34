//! Exposed memory has no slice of either kind: a guest writes it.

use mmarinus::{Map, Private, Shared, backing, perms};

fn private(map: &Map<perms::Read, Private, backing::Exposed>) -> &[u8] {
    map.as_slice()
}

fn shared(map: &Map<perms::Read, Shared, backing::Exposed>) -> &[u8] {
    map.as_slice()
}

fn main() {}
