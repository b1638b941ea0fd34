//! Maps are not joined under atomics of one of them: the other may have atomics of another size.

use std::sync::atomic::{AtomicU8, Ordering};

use mmarinus::{Map, Shared, perms};

fn stale(one: Map<perms::ReadWrite, Shared>, two: Map<perms::ReadWrite, Shared>) -> u8 {
    let atomics = one.atomics::<AtomicU8>(..).unwrap_or_default();
    let _joined = one.join(two);
    atomics[0].load(Ordering::Relaxed)
}

fn main() {}
