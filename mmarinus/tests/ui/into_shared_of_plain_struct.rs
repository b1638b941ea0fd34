//! A struct of atomics whose layout nobody proved is not shared.
use std::sync::atomic::AtomicU32;

use mmarinus::{Map, Shared, perms};

#[repr(C)]
struct Header {
    count: AtomicU32,
}

fn main() {
    let map = Map::bytes(4).anonymously().with_kind(Shared).with(perms::ReadWrite).unwrap();
    let _ = map.into_shared::<Header>();
}
