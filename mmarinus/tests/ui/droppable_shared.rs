//! Memory that may be dropped is private: the kernel knows no other.

use mmarinus::{Map, Shared, perms};

fn main() {
    let _ = Map::bytes(1).droppable().with_kind(Shared).with(perms::Read);
}
