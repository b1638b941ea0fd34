//! Permissions that are known at run time only give no slice.

use mmarinus::{Map, perms};

fn slice(map: &Map<perms::Unknown>) -> &[u8] {
    map.as_slice()
}

fn main() {}
