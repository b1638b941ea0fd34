//! Two slices of a mirror of which one is written never live at once: the same byte could be in both.

use mmarinus::Mirror;

fn both(mirror: &mut Mirror) {
    let first = mirror.slice_mut(0, 10).unwrap();
    let second = mirror.slice_mut(20, 10).unwrap();
    first[0] = second[0];
}

fn main() {}
