//! Advice is what this crate knows to change no byte, not any number.

use mmarinus::{Advice, Map, perms};

fn advised(map: &Map<perms::ReadWrite>) {
    let _ = map.advise(.., Advice(4));
}

fn main() {}
