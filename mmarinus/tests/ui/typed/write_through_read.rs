//! No value is written through permissions that only read.

use mmarinus::{Map, perms};

fn write(map: &mut Map<perms::Read>) {
    map.write_obj(0, &1_u32).unwrap();
}

fn main() {}
