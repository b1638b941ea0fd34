//! A sealed map lends a slice that never ends, so it lends none that can be written.

use mmarinus::{Immortal, perms};

fn write(map: Immortal<perms::ReadWrite>) {
    let bytes: &'static [u8] = map.as_static();
    map.as_mut_slice()[0] = 1;
    drop(bytes);
}

fn main() {}
