//! What stands behind pages is for the crate to know.

use mmarinus::{Shared, backing::Backing};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

impl Backing<Shared> for Mine {}

fn main() {}
