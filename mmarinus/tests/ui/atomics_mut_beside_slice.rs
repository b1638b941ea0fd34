//! Exclusive atomics do not live beside a slice.

use core::sync::atomic::{AtomicU8, Ordering};
use mmarinus::{Map, perms};

fn both(map: &mut Map<perms::ReadWrite>) {
    let bytes = map.as_slice();
    let atomics = map.atomics_mut::<AtomicU8>(..).unwrap();
    atomics[0].store(1, Ordering::Relaxed);
    assert_eq!(bytes[0], 0);
}

fn main() {}
