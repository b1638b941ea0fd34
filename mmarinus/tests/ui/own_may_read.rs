//! Nor may it be copied from or into.

use mmarinus::perms::{MayRead, MayWrite};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mine;

impl MayRead for Mine {
    fn may_read(self) -> bool {
        true
    }
}

impl MayWrite for Mine {
    fn may_write(self) -> bool {
        true
    }
}

fn main() {}
