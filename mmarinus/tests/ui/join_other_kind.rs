//! Private and shared memory are not one map.

use mmarinus::{Map, Shared, perms};

fn one_of(one: Map<perms::Read>, two: Map<perms::Read, Shared>) {
    let _ = one.join(two);
}

fn main() {}
