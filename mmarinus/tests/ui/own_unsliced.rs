//! That no slice exists is for the crate to prove.

use mmarinus::{Shared, backing::Unsliced};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

unsafe impl Unsliced<Shared> for Mine {}

fn main() {}
