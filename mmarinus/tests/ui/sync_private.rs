//! Writing private memory back makes nothing durable.

use mmarinus::{Map, Private, backing, perms};

fn durable(map: &Map<perms::ReadWrite, Private, backing::File>) {
    let _ = map.sync(..);
}

fn main() {}
