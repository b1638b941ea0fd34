//! The list of tasks that `cargo xtask` knows.
#![forbid(unsafe_code)]

fn main() {}
