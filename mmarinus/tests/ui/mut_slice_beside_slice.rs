//! A mutable slice does not live beside another slice of the same map.

use mmarinus::{Map, perms};

fn both(map: &mut Map<perms::ReadWrite>) {
    let old = map.as_slice();
    let new = map.as_mut_slice();
    new[0] = 1;
    assert_eq!(old[0], 0);
}

fn main() {}
