//! Nothing becomes readable, writable or executable by saying so.

use mmarinus::perms::{Executable, Readable, Writable};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

impl Readable for Mine {}

impl Writable for Mine {}

impl Executable for Mine {}

fn main() {}
