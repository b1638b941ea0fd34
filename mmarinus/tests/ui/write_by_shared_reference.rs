//! A map is written by whoever borrows it mutably; only a view is written by `&self`.

use mmarinus::{Map, Shared, backing, perms};

fn write(map: &Map<perms::ReadWrite, Shared, backing::File>) {
    map.write_at(0, b"no").unwrap();
}

fn main() {}
