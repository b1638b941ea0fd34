//! That pages are shared without faults is for the crate to prove.

use mmarinus::{Shared, backing::Concurrent};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

unsafe impl Concurrent<Shared> for Mine {}

fn main() {}
