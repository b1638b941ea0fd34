//! Memory of no file is on no storage.

use mmarinus::{Map, Shared, perms};

fn main() {
    let _ = Map::bytes(1).anonymously().with_kind(Shared).synchronous().with(perms::Read);
}
