//! A thread that may outlive the map is not given a view of it.

use mmarinus::{Map, Shared, perms};

fn spawn(_: impl FnOnce() + Send + 'static) {}

fn write(map: Map<perms::ReadWrite, Shared>) {
    let view = map.view(..).unwrap();
    spawn(move || view.write_at(0, b"late").unwrap());
}

fn main() {}
