//! A map does not move away under a view of it, not even one of a file.

use mmarinus::{Map, Private, backing, perms};

fn stale(map: Map<perms::Read, Private, backing::File>) -> bool {
    let view = map.view(..);
    let _elsewhere = map.move_to(1 << 40);
    view.is_ok_and(|view| view.read_at(0, &mut [0]).is_ok())
}

fn main() {}
