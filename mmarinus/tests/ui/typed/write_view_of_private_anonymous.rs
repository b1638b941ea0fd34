//! No value is written by `&self` to memory that has slices.

use mmarinus::{Map, perms};

fn write(map: &Map<perms::ReadWrite>) {
    map.view(..).unwrap().write_obj(0, &1_u32).unwrap();
}

fn main() {}
