//! A map comes from the kernel, not from a struct literal.

use mmarinus::{Map, perms};

fn forge() -> Map<perms::ReadWrite> {
    Map {}
}

fn main() {}
