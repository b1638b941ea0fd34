//! The kind comes before the backing.

use mmarinus::{Map, Private, backing, perms};

fn swapped(_map: Map<perms::Read, backing::File, Private>) {}

fn main() {}
