//! Safe code does not write a device, not by the kernel either.

use mmarinus::{Map, perms};

fn main() {
    let device = std::fs::File::open("/dev/zero").unwrap();
    let map = Map::bytes(4096).from_device(&device, 0).with(perms::ReadWrite).unwrap();
    let zero = std::fs::File::open("/dev/zero").unwrap();
    map.view(..).unwrap().read_from_fd(&zero).unwrap();
}
