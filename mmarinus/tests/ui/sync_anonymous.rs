//! Shared memory of no file has nothing that it could be written back to.

use mmarinus::{Map, Shared, perms};

fn durable(map: &Map<perms::ReadWrite, Shared>) {
    let _ = map.sync(..);
}

fn main() {}
