//! A sealed map is never unmapped: it only lends the map.

use mmarinus::{Immortal, perms};

fn gone(map: Immortal<perms::Read>) {
    let _ = map.unmap();
}

fn main() {}
