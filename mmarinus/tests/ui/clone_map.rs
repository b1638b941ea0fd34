//! A map is not cloned: two owners would unmap the same pages.

use mmarinus::{Map, perms};

fn twice<T: Clone>(one: T) -> (T, T) {
    (one.clone(), one)
}

fn clone(map: Map<perms::Read>) -> (Map<perms::Read>, Map<perms::Read>) {
    twice(map)
}

fn main() {}
