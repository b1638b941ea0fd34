//! A number is no source either.

use std::os::fd::RawFd;

use mmarinus::Source;

fn source(fd: RawFd) {
    let _ = Source::of(&fd);
    let _ = Source::device(&fd);
}

fn main() {}
