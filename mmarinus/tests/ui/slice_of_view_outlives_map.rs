//! A slice of a view does not outlive the map.

use mmarinus::{Map, perms};

fn slice<'a>(map: Map<perms::Read>) -> &'a [u8] {
    let view = map.view(..).unwrap();
    view.as_slice()
}

fn main() {}
