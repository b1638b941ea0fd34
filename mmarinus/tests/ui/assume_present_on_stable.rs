//! What has slices becomes shared memory by `expose`, not by a second promise.

use mmarinus::{Map, Shared, backing, perms};

fn promise(map: Map<perms::Read, Shared, backing::Stable>) {
    let _ = unsafe { map.assume_present() };
}

fn main() {}
