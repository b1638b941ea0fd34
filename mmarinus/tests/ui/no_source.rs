//! A request must say what it maps.

use mmarinus::{Map, perms};

fn map() {
    let _ = Map::bytes(4096).with(perms::Read);
}

fn main() {}
