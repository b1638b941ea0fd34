//! Only what any bytes are is read as a value: no reference, no `bool`.

use mmarinus::{Map, perms};

struct Name(&'static str);

fn reference(map: &Map<perms::Read>) -> Name {
    map.read_obj(0).unwrap()
}

fn boolean(map: &Map<perms::Read>) -> bool {
    map.read_obj(0).unwrap()
}

fn main() {}
