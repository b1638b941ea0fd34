//! A view does not outlive its map.

use mmarinus::{Map, View, backing, kind, perms};

fn view<'a>(map: Map<perms::Read>) -> View<'a, perms::Read, kind::Private, backing::Anonymous> {
    map.view(..).unwrap()
}

fn dropped(map: Map<perms::Read>) -> usize {
    let view = map.view(..).unwrap();
    drop(map);
    view.len()
}

fn main() {}
