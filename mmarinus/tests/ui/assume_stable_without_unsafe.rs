//! To promise that nobody else writes a file needs `unsafe`.

use mmarinus::{Map, Private, backing, perms};

fn promise(map: Map<perms::Read, Private, backing::File>) {
    let _ = map.assume_stable();
}

fn main() {}
