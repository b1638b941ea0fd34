//! What may be dropped at any moment is not freed by a call.

use mmarinus::{Map, Private, backing, perms};

fn free(map: Map<perms::ReadWrite, Private, backing::Droppable>) {
    let _ = map.free(..);
}

fn main() {}
