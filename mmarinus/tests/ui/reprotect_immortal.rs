//! A sealed map keeps its permissions.

use mmarinus::{Immortal, perms};

fn writable(map: Immortal<perms::Read>) {
    let _ = map.reprotect(perms::ReadWrite);
}

fn main() {}
