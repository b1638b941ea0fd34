//! Writing private memory back makes nothing durable.

use mmarinus::{Map, Private, backing, perms};

fn durable(map: &Map<perms::ReadWrite, Private, backing::Stable>) {
    let _ = map.persist(..);
}

fn main() {}
