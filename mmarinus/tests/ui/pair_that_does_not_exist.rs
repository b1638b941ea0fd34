//! What is no backing stands behind no map: not before a source is named, and no type of one's own.

use mmarinus::{Map, Private, Shared, builder, perms};

fn unset(_map: Map<perms::Read, Private, builder::Unset>) {}

fn integer(_map: Map<perms::Read, Shared, u8>) {}

fn main() {}
