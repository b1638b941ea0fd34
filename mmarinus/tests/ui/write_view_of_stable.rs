//! Nor is a file that nobody else writes.

use mmarinus::{Shared, View, backing, perms};

fn write(view: View<perms::ReadWrite, Shared, backing::Stable>) {
    view.write_at(0, b"no").unwrap();
}

fn main() {}
