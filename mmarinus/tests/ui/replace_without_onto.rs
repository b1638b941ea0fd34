//! Only a request that names the range which it replaces is ended by `replace`.

use mmarinus::{Map, perms};

fn map() {
    let _ = unsafe {
        Map::bytes(4096)
            .at(1 << 32)
            .anonymously()
            .replace(perms::Read)
    };
}

fn main() {}
