//! A supplied map that may only be read is not written.

use mmarinus::supply::Supply;
use mmarinus::perms;

fn write(supply: &mut Supply<perms::Read>) {
    supply.as_mut_slice()[0] = 1;
}

fn main() {}
