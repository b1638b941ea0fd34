//! A sealed map keeps its length.

use mmarinus::{Immortal, perms};

fn smaller(map: Immortal<perms::ReadWrite>) {
    let _ = map.resize(0);
}

fn main() {}
