//! Pages that may only be written have no slice, neither shared nor mutable.

use mmarinus::{Map, perms};

fn slice(map: &Map<perms::Write>) -> &[u8] {
    map.as_slice()
}

fn mut_slice(map: &mut Map<perms::WriteExecute>) -> &mut [u8] {
    map.as_mut_slice()
}

fn main() {}
