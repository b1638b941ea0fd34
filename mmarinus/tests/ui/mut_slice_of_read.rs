//! Pages that may only be read have no mutable slice.

use mmarinus::{Map, perms};

fn slice(map: &mut Map<perms::Read>) -> &mut [u8] {
    map.as_mut_slice()
}

fn main() {}
