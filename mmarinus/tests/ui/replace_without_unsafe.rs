//! Replacing whatever lies at an address needs `unsafe`.

use mmarinus::{Map, perms};

fn map() {
    let _ = Map::bytes(4096)
        .onto(1 << 32)
        .anonymously()
        .replace(perms::Read);
}

fn main() {}
