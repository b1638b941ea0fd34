//! Memory that has slices is not joined with a file that has none.

use mmarinus::{Map, Private, backing, perms};

fn one_of(one: Map<perms::Read>, two: Map<perms::Read, Private, backing::File>) {
    let _ = one.join(two);
}

fn main() {}
