//! Exposing is one way.

use mmarinus::{Map, Private, backing, perms};

fn promise(map: Map<perms::Read, Private, backing::Exposed>) {
    let _ = unsafe { map.assume_stable() };
}

fn main() {}
