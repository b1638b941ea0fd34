//! Nothing is written through a view of pages that may only be read.

use mmarinus::{Shared, View, backing, perms};

fn write(view: View<perms::Read, Shared, backing::File>) {
    view.write_at(0, b"no").unwrap();
}

fn main() {}
