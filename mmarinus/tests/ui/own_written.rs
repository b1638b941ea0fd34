//! That writing pages is harmless is for the crate to know.

use mmarinus::{Shared, backing::Written};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

impl Written<Shared> for Mine {}

fn main() {}
