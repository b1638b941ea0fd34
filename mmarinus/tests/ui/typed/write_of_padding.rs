//! Only what has no padding is written as a value.

use mmarinus::{Map, perms};

#[repr(C)]
struct Padded(u8, u32);

fn write(map: &mut Map<perms::ReadWrite>) {
    map.write_obj(0, &Padded(1, 2)).unwrap();
}

fn main() {}
