//! What the subjects share: patterns, files in memory as others make them, and what is open.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use mmarinus_ext::memfd::{Memfd, Sealed};
use mmarinus_sys::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::testing::features::guest;

/// The page size in bytes.
pub(crate) fn page() -> usize {
    mmarinus_sys::page_size()
}

/// The bytes of a test file.
pub(crate) fn patterned(len: usize) -> Vec<u8> {
    (0..len).map(|offset| (offset % 251) as u8).collect()
}

/// The seals of a file that never changes.
pub(crate) const ALL: SealFlags = SealFlags::WRITE
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW);

/// A memfd that another library made: full of the pattern, with these seals.
pub(crate) fn foreign(len: usize, seals: SealFlags) -> File {
    let file = sparse(0, SealFlags::empty());
    file.write_all_at(&patterned(len), 0).expect("room");
    fcntl_add_seals(&file, seals).expect("seals");
    file
}

/// A memfd that another library made: one hole, with these seals.
pub(crate) fn sparse(len: u64, seals: SealFlags) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(memfd_create(c"foreign", flags).expect("a memfd"));
    file.set_len(len).expect("a length");
    fcntl_add_seals(&file, seals).expect("seals");
    file
}

/// The number of open descriptors. Only meaningful in a child.
pub(crate) fn open_descriptors() -> usize {
    let list = std::fs::read_dir("/proc/self/fd").expect("the list of descriptors");
    list.count()
}

/// The number of mappings of the process. Only meaningful in a child.
pub(crate) fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    maps.lines().count()
}

/// Whether maps of a file of a fixed size are refused, since memory may not be overcommitted.
pub(crate) fn never_overcommits() -> bool {
    let mode = std::fs::read_to_string("/proc/sys/vm/overcommit_memory");
    mode.is_ok_and(|mode| mode.trim() == "2")
}

/// The socket with which a child was started, as its standard input.
pub(crate) fn inherited() -> OwnedFd {
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    socket.expect("a child has a standard input")
}

/// A sealed memfd with some bytes.
pub(crate) fn sealed(bytes: &[u8]) -> Memfd<Sealed> {
    mmarinus_ext::snapshot::read(bytes).expect("a snapshot")
}

/// How many peers a test kills: hundreds; but few where an emulated CPU has to start each of them.
pub(crate) fn kills() -> usize {
    if guest().is_there { 15 } else { 300 }
}
