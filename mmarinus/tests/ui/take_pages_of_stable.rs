//! What is left of a promised file would be the file again, which the slices of two maps would share.

use mmarinus::{Map, Private, backing, perms};

fn taken(map: &mut Map<perms::ReadWrite, Private, backing::Stable>) {
    let _ = map.take_pages();
}

fn main() {}
