//! That nobody else changes pages is for the crate to prove.

use mmarinus::{Shared, backing::NoRace};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

unsafe impl NoRace<Shared> for Mine {}

fn main() {}
