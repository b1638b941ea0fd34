//! Permissions that were forgotten come back by `reprotect` only.

use mmarinus::{Map, perms};

fn guess(map: Map<perms::Unknown>) -> Map<perms::Read> {
    map.into()
}

fn main() {}
