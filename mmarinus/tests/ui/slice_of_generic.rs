//! A function over every backing gets no slice unless it asks for one.

use mmarinus::{Map, backing::Backing, kind::Kind, perms};

fn slice<K: Kind, B: Backing<K>>(map: &Map<perms::Read, K, B>) -> &[u8] {
    map.as_slice()
}

fn main() {}
