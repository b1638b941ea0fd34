//! A slice of guest memory ends before its region gives the map back.

use mmarinus::Shared;
use mmarinus::backing::Anonymous;
use mmarinus::guest::GuestRegion;
use vm_memory::{Bytes, GuestMemoryRegion};

fn slice(region: GuestRegion<Shared, Anonymous>) {
    let slice = region.as_volatile_slice().unwrap();
    drop(region.into_map());
    slice.write_obj(7_u8, 0).unwrap();
}

fn main() {}
