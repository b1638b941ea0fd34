//! Guest memory is readable and writable: what is only read would fault when the guest's devices write.

use mmarinus::guest::GuestRegion;
use mmarinus::{Map, Shared, perms};
use vm_memory::GuestAddress;

fn region(map: Map<perms::Read, Shared>) {
    let _: GuestRegion<_, _> = unsafe { GuestRegion::new(map, GuestAddress(0)) }.unwrap();
}

fn main() {}
