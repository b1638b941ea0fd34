//! A map with a key has no slice: a thread without the right would fault.

use mmarinus::{Keyed, Map, perms};

fn slice<'map>(map: &'map Keyed<'_, Map<perms::ReadWrite>>) -> &'map [u8] {
    &map[..]
}

fn main() {}
