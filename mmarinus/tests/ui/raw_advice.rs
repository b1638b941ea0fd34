//! Nor is it advice of the raw calls, some of which empties pages.

use mmarinus::{Map, perms};

fn advised(map: &Map<perms::ReadWrite>) {
    let _ = map.advise(.., mmarinus_sys::Advice::DONTNEED);
}

fn main() {}
