//! A number is no device either.

use mmarinus::{Map, perms};

fn map() {
    let _ = Map::bytes(4096)
        .anywhere()
        .from_device(&mut -1_i32, 0)
        .with(perms::Read);
}

fn main() {}
