//! Permissions are those of the kernel: no others can be made up.

use mmarinus::{ProtFlags, perms::Permissions};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mine;

impl Permissions for Mine {
    fn flags(self) -> ProtFlags {
        ProtFlags::READ
    }
}

fn main() {}
