//! That touching pages never faults is for the crate to prove.

use mmarinus::{Shared, backing::NoFault};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

unsafe impl NoFault<Shared> for Mine {}

fn main() {}
