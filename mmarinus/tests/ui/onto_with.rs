//! What is placed over something else ends in the unsafe `replace`, not in `with`.

use mmarinus::{Map, perms};

fn map() {
    let _ = Map::bytes(4096)
        .onto(1 << 32)
        .anonymously()
        .with(perms::Read);
}

fn main() {}
