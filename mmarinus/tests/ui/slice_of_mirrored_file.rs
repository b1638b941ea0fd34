//! A mirror of a file that others may write has no slices.

use mmarinus::{Mirror, backing};

fn slice(mirror: &Mirror<backing::SizeSealed>) -> usize {
    mirror.slice(0, 10).unwrap().len()
}

fn main() {}
