//! A map of a file is no guest memory: the file may be truncated under the guest.

use mmarinus::guest::GuestRegion;
use mmarinus::{Map, Shared, backing, perms};
use vm_memory::GuestAddress;

fn region(map: Map<perms::ReadWrite, Shared, backing::File>) {
    let _: GuestRegion<_, _> = unsafe { GuestRegion::new(map, GuestAddress(0)) }.unwrap();
}

fn main() {}
