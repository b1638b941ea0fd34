//! What can be moved is not mapped in place, where a failure would lose the map.
use std::fs::File;

use mmarinus::{Map, perms};

fn main() {
    let file = File::open("/etc/passwd").unwrap();
    let map = Map::bytes(4096).anonymously().with(perms::None).unwrap();
    let _ = map.remap_in_place().from(&file, 0).with(perms::Read);
}
