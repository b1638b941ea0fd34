//! Memory that nobody shares has slices, not a struct of atomics.
use std::sync::atomic::AtomicU32;

use mmarinus::{Map, perms};

fn main() {
    let map = Map::bytes(4).anonymously().with(perms::ReadWrite).unwrap();
    let _ = map.into_shared::<AtomicU32>();
}
