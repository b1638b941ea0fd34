//! A device is not known to have anything that is written back.

use mmarinus::{Map, Shared, backing, perms};

fn durable(map: &Map<perms::ReadWrite, Shared, backing::Device>) {
    let _ = map.invalidate(..);
}

fn main() {}
