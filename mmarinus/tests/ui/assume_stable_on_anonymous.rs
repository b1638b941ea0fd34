//! Memory of no file is not promised to be a stable one.

use mmarinus::{Map, Shared, perms};

fn private(map: Map<perms::Read>) {
    let _ = unsafe { map.assume_stable() };
}

fn shared(map: Map<perms::Read, Shared>) {
    let _ = unsafe { map.assume_stable() };
}

fn main() {}
