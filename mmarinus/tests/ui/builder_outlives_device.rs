//! A request does not outlive the device that it is about.

use std::fs::File;

use mmarinus::{Map, Private, backing, perms};

fn map(device: File) -> Map<perms::Read, Private, backing::Device> {
    let request = Map::bytes(4096).anywhere().from_device(&device, 0);
    drop(device);
    request.with(perms::Read).unwrap()
}

fn main() {}
