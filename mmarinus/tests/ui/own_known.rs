//! Nor permissions that the type alone says; not even `Unknown` becomes one of them.

use mmarinus::{ProtFlags, perms::Known};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

impl Known for Mine {
    const FLAGS: ProtFlags = ProtFlags::READ;
}

fn main() {}
