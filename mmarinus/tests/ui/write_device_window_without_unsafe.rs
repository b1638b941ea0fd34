//! What may be a device's is written by unsafe code alone.

use mmarinus::Window;

fn write(view: Window<'_>) {
    view.write_device_at(0, b"x").unwrap();
}

fn main() {}
