//! A view of a file has no slice.

use mmarinus::{Private, View, backing, perms};

fn slice<'map>(view: View<'map, perms::Read, Private, backing::File>) -> &'map [u8] {
    view.as_slice()
}

fn main() {}
