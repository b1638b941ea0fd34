//! Pages that cannot be read have no slice, sealed or not.

use mmarinus::{Immortal, perms};

fn lent(map: &Immortal<perms::None>) -> &'static [u8] {
    map.as_static()
}

fn main() {}
