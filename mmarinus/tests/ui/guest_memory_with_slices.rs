//! A map that lends slices is no guest memory before it is exposed: a guest would write under them.

use mmarinus::guest::GuestRegion;
use mmarinus::{Map, perms};
use vm_memory::GuestAddress;

fn region(map: Map<perms::ReadWrite>) {
    let _: GuestRegion<_, _> = unsafe { GuestRegion::new(map, GuestAddress(0)) }.unwrap();
}

fn main() {}
