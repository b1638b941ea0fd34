//! A request borrows the name that it was given.

use mmarinus::{Map, perms};

fn main() {
    let request = Map::bytes(1).anonymously().named(&String::from("gone"));
    let _ = request.with(perms::Read);
}
