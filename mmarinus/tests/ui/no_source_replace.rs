//! A request to replace a range must say by what.

use mmarinus::{Map, perms};

fn map() {
    let _ = unsafe { Map::bytes(4096).onto(1 << 32).replace(perms::Read) };
}

fn main() {}
