//! Nothing is written through permissions that only read.

use mmarinus::{Map, Private, Shared, backing, perms};

fn anonymous(map: &mut Map<perms::Execute>) {
    map.write_at(0, b"no").unwrap();
}

fn file(map: &mut Map<perms::Read, Shared, backing::File>) {
    map.write_at(0, b"no").unwrap();
}

fn stable(map: &mut Map<perms::None, Private, backing::Stable>) {
    map.write_at(0, b"no").unwrap();
}

fn main() {}
