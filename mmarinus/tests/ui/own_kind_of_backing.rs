//! A backing of ours with a kind of one's own gives nothing either.

use mmarinus::backing::{self, NoRace};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

unsafe impl NoRace<Mine> for backing::File {}

fn main() {}
