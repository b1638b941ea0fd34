//! Safe code does not write a device: it may make the kernel write anywhere.

use mmarinus::{Map, Shared, View, backing, perms};

fn map(map: &mut Map<perms::ReadWrite, Shared, backing::Device>) {
    map.write_at(0, b"no").unwrap();
}

fn view(view: View<perms::ReadWrite, Shared, backing::Device>) {
    view.write_at(0, b"no").unwrap();
}

fn main() {}
