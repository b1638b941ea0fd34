//! Two maps that were joined are gone as two.

use mmarinus::{Map, perms};

fn stale(one: Map<perms::ReadWrite>, two: Map<perms::ReadWrite>) -> u8 {
    let _joined = one.join(two);
    two[0]
}

fn main() {}
