//! To promise that pages stay needs `unsafe`, for files and for devices.

use mmarinus::{Map, Shared, backing, perms};

fn file(map: Map<perms::Read, Shared, backing::File>) {
    let _ = map.assume_present();
}

fn device(map: Map<perms::Read, Shared, backing::Device>) {
    let _ = map.assume_present();
}

fn main() {}
