//! A map is not replaced while atomics of it live.

use core::sync::atomic::{AtomicU32, Ordering};
use mmarinus::{Map, Shared, perms};

fn stale(map: Map<perms::ReadWrite, Shared>) {
    let atomics = map.atomics::<AtomicU32>(..).unwrap();
    let _request = map.remap().anonymously().with(perms::None);
    atomics[0].store(1, Ordering::Relaxed);
}

fn main() {}
