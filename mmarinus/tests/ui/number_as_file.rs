//! A number is no file: it may be closed, or belong to somebody else.

use mmarinus::{Map, perms};

fn map() {
    let _ = Map::bytes(4096)
        .anywhere()
        .from(&3_i32, 0)
        .with(perms::Read);
}

fn main() {}
