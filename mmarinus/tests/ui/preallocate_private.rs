//! What is written to a private map is not in its file, and needs no room there.
use mmarinus::{Map, perms};

fn main() {
    let file = std::fs::File::open("/etc/passwd").unwrap();
    let map = Map::bytes(4096).from(&file, 0).with(perms::ReadWrite).unwrap();
    let _ = map.preallocate(..);
}
