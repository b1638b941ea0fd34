//! The parsers of the lists `maps` and `smaps`, compiled from the sources of `mmarinus`.
#![allow(dead_code, unused_imports, reason = "part of another crate's modules")]

use core::ffi::CStr;
use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus_sys::Errno;
use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, memfd_create};

use super::bytes::Bytes;

#[path = "../../mmarinus/src/proc/line.rs"]
mod line;
#[path = "../../mmarinus/src/proc/lines.rs"]
mod lines;
#[path = "../../mmarinus/src/proc/smaps.rs"]
mod smaps;

/// What the modules need of the one that they come from: nothing is opened here.
const SMAPS: &CStr = c"";

fn open(_: &CStr) -> Result<OwnedFd, Errno> {
    Err(Errno::NOENT)
}

/// True lines, which the bytes change.
const TRUE: &[u8] = b"1000-4000 rw-p 00000000 103:1ff 123 /a b\\012c\n\
Rss:      8 kB\nPrivate_Dirty:   4 kB\nAnonHugePages: 0 kB\nSwap:  0 kB\nVmFlags: rd wr\n\
4000-8000 rw-s ffffffffffffe000 00:00 0\nShared_Dirty: 18446744073709551615 kB\nSwap: 1 kB\n";

/// Parses the bytes themselves, and true lines with bytes of theirs in it.
pub(crate) fn run(data: &[u8]) {
    parse(data, 0x1000..0x4000);
    let bytes = &mut Bytes(data);
    let mut text = TRUE.to_vec();
    let (start, len) = (bytes.number() as u64, bytes.number() as u64);
    while !bytes.0.is_empty() {
        let at = bytes.below(text.len());
        text[at] = bytes.byte();
    }
    parse(&text, 0x1000..0x8000);
    parse(&text, start..start.saturating_add(len));
}

fn parse(text: &[u8], pages: core::ops::Range<u64>) {
    for text in text.split(|&byte| byte == b'\n') {
        if let Some(line) = line::Line::parse(text) {
            assert!(line.start < line.end);
            assert!(text.ends_with(line.name));
            assert!(line::unescape(line.name).count() <= line.name.len());
        }
    }
    let file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("a memfd"));
    file.write_all_at(text, 0).expect("room");
    let _ = smaps::figures_in(&file, pages);
}
