//! Nor while a slice of a view of it lives.

use mmarinus::{Map, perms};

fn both(map: &mut Map<perms::ReadWrite>) {
    let old = map.view(..).unwrap().as_slice();
    map.write_at(0, &[1]).unwrap();
    assert_eq!(old[0], 0);
}

fn main() {}
