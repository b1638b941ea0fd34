//! What permissions allow is not extended from outside.

use mmarinus::perms::{self, Readable};

impl Readable for perms::Write {}

fn main() {}
