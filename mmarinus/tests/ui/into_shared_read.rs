//! Atomics write, so memory that may only be read is no struct of them.
use std::sync::atomic::AtomicU32;

use mmarinus::{Map, Shared, perms};

fn main() {
    let map = Map::bytes(4).anonymously().with_kind(Shared).with(perms::Read).unwrap();
    let _ = map.into_shared::<AtomicU32>();
}
