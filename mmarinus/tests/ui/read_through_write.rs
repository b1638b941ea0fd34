//! Nothing is read through permissions that do not include reading.

use mmarinus::{Map, Private, View, backing, perms};

fn write(map: &Map<perms::Write>) {
    map.read_at(0, &mut [0]).unwrap();
}

fn execute(map: &Map<perms::Execute, Private, backing::File>) {
    map.read_at(0, &mut [0]).unwrap();
}

fn none(view: View<perms::None, Private, backing::File>) {
    view.read_at(0, &mut [0]).unwrap();
}

fn main() {}
