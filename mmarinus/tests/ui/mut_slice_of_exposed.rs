//! Exposed memory has no mutable slice, though it is borrowed mutably: the guest does not ask.

use mmarinus::{Map, Private, backing, perms};

fn slice(map: &mut Map<perms::ReadWrite, Private, backing::Exposed>) -> &mut [u8] {
    map.as_mut_slice()
}

fn main() {}
