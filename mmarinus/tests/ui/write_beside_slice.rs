//! Nothing is copied into a map while a slice of it lives.

use mmarinus::{Map, perms};

fn both(map: &mut Map<perms::ReadWrite>) {
    let old = map.as_slice();
    map.write_at(0, &[1]).unwrap();
    assert_eq!(old[0], 0);
}

fn main() {}
