//! Memory that has slices is not written by `&self`: a slice may be beside the view.

use mmarinus::{Map, perms};

fn write(map: &Map<perms::ReadWrite>) {
    let bytes = map.as_slice();
    map.view(..).unwrap().write_at(0, b"no").unwrap();
    assert_eq!(bytes[0], 0);
}

fn main() {}
