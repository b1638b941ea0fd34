//! What a backing of ours promises is not extended from outside.

use mmarinus::{Shared, backing};

unsafe impl backing::NoRace<Shared> for backing::File {}

fn main() {}
