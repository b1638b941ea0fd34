//! The atomic integers are those of the language.

use mmarinus::Atomic;

struct Mine(bool);

impl Atomic for Mine {
    type Value = bool;
}

fn main() {}
