//! A map is asked for; there is none by default.

use mmarinus::{Map, perms};

fn default<T: Default>() -> T {
    T::default()
}

fn map() -> Map<perms::Read> {
    default()
}

fn main() {}
