//! Writing a device needs `unsafe`.

use mmarinus::{Map, Shared, View, backing, perms};

fn map(map: &mut Map<perms::ReadWrite, Shared, backing::Device>) {
    map.write_device_at(0, b"no").unwrap();
}

fn view(view: View<perms::ReadWrite, Shared, backing::Device>) {
    view.write_device_at(0, b"no").unwrap();
}

fn main() {}
