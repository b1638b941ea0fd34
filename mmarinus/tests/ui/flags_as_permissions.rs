//! Flags are permissions by the name of `perms::Unknown` only.

use mmarinus::{Map, ProtFlags};

fn map() {
    let _ = Map::bytes(4096).anonymously().with(ProtFlags::READ);
}

fn main() {}
