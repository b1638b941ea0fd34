//! Memory that has slices is not written as if it was a device, not even by `unsafe`.

use mmarinus::{Private, View, backing, perms};

fn write(view: View<perms::ReadWrite, Private, backing::Anonymous>) {
    unsafe { view.write_device_at(0, b"no").unwrap() };
}

fn main() {}
