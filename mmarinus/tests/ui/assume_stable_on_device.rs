//! A device cannot be promised to keep still.

use mmarinus::{Map, Shared, backing, perms};

fn promise(map: Map<perms::Read, Shared, backing::Device>) {
    let _ = unsafe { map.assume_stable() };
}

fn main() {}
