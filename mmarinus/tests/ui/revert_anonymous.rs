//! Memory of no file has nothing to go back to.
use mmarinus::{Map, perms};

fn main() {
    let mut map = Map::bytes(4096).anonymously().with(perms::ReadWrite).unwrap();
    let _ = map.revert(..);
}
