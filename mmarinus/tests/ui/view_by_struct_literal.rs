//! A view comes from a map.

use mmarinus::{Shared, View, backing, perms};

fn forge() -> View<'static, perms::Read, Shared, backing::Present> {
    View {}
}

fn main() {}
