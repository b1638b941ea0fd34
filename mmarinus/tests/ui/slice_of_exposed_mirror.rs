//! A mirror that was exposed has no slices any more, and one that was not has no views.

use mmarinus::{Mirror, backing};

fn slice(mirror: &Mirror<backing::Exposed>) -> usize {
    mirror.slice(0, 10).unwrap().len()
}

fn view(mirror: &Mirror) -> usize {
    mirror.view(0, 10).unwrap().len()
}

fn expose_beside_slice(mirror: Mirror) -> usize {
    let slice = mirror.slice(0, 10).unwrap();
    let exposed = mirror.expose();
    slice.len() + exposed.capacity()
}

fn main() {}
