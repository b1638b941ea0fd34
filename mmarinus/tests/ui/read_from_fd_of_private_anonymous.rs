//! A map with slices is not written through a shared view, not by the kernel either.

use mmarinus::{Map, perms};

fn main() {
    let map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite).unwrap();
    let zero = std::fs::File::open("/dev/zero").unwrap();
    map.view(..).unwrap().read_from_fd(&zero).unwrap();
}
