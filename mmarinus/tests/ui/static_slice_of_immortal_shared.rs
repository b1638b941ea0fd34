//! Sealing shared memory does not keep others from writing it: no slice of it lasts for ever.

use mmarinus::{Immortal, Shared, perms};

fn lent(map: &Immortal<perms::Read, Shared>) -> &'static [u8] {
    map.as_static()
}

fn main() {}
