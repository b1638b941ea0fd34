//! There is no third kind.

use mmarinus::kind::Kind;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

impl Kind for Mine {
    const SHARED: bool = false;
}

fn main() {}
