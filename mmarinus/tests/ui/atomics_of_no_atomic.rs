//! Only atomic integers are lent: no plain integer, no cell, nothing with invalid values.

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicPtr};
use mmarinus::{Map, Shared, perms};

fn atomics(map: &mut Map<perms::ReadWrite, Shared>) {
    let _ = map.atomics::<u32>(..);
    let _ = map.atomics::<AtomicBool>(..);
    let _ = map.atomics::<AtomicPtr<u8>>(..);
    let _ = map.observe::<Cell<u8>>(..);
}

fn main() {}
