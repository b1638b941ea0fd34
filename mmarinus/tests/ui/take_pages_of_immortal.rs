//! Pages are not taken out of a sealed map, whose bytes are lent for ever.

use mmarinus::{Immortal, perms};

fn taken(map: Immortal<perms::ReadWrite>) {
    let _ = map.take_pages();
}

fn main() {}
