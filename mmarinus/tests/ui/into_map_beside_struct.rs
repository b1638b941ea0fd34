//! The map comes back only when nobody borrows the struct any more.
use std::sync::atomic::{AtomicU32, Ordering};

use mmarinus::{Map, Shared, perms};

fn main() {
    let map = Map::bytes(4).anonymously().with_kind(Shared).with(perms::ReadWrite).unwrap();
    let block = map.into_shared::<AtomicU32>().unwrap();
    let count = &*block;
    let map = block.into_map();
    count.store(1, Ordering::Relaxed);
    drop(map);
}
