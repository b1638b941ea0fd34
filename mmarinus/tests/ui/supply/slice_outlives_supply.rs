//! A slice of a supplied map ends before it is taken back.

use mmarinus::supply::Supply;
use mmarinus::perms;

fn stale(supply: Supply<perms::Read>) -> u8 {
    let bytes = supply.as_slice();
    let _map = supply.into_map();
    bytes[0]
}

fn main() {}
