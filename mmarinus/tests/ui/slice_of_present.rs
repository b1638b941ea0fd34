//! Pages that only stay have no slice: others may write them.

use mmarinus::{Map, Private, backing, perms};

fn slice(map: &Map<perms::Read, Private, backing::Present>) -> &[u8] {
    map.as_slice()
}

fn main() {}
