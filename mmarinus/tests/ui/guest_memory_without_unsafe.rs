//! That no two threads race on guest memory is a promise.

use mmarinus::guest::GuestRegion;
use mmarinus::{Map, Shared, perms};
use vm_memory::GuestAddress;

fn region(map: Map<perms::ReadWrite, Shared>) {
    let _: GuestRegion<_, _> = GuestRegion::new(map, GuestAddress(0)).unwrap();
}

fn main() {}
