//! Permissions are no kind.

use mmarinus::{Map, perms};

fn map() {
    let _ = Map::bytes(4096).anonymously().with_kind(perms::Read);
}

fn main() {}
