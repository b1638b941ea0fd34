//! A map has one set of permissions.

use mmarinus::{Map, perms};

fn one_of(one: Map<perms::Read>, two: Map<perms::ReadWrite>) {
    let _ = one.join(two);
}

fn main() {}
