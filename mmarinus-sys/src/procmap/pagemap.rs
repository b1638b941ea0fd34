//! `/proc/PID/pagemap`: one 64-bit entry for each page.
#![expect(unsafe_code, reason = "entries are read as bytes")]

use core::ffi::c_void;
use core::mem;

use bitflags::bitflags;
use rustix::fd::AsFd;

use crate::{Result, page_size};

bitflags! {
    /// `PM_*`: one entry of `/proc/PID/pagemap`, which tells what is behind one page.
    ///
    /// Beside the flags it holds a number: [`pfn`](Self::pfn) or [`swap`](Self::swap).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct PagemapEntry: u64 {
        /// `PM_SOFT_DIRTY`: written since `4` was last written to `/proc/PID/clear_refs`; needs a kernel built for it (since
        /// Linux 3.11).
        const SOFT_DIRTY = 1 << 55;
        /// `PM_MMAP_EXCLUSIVE`: no other process maps the page (since Linux 4.2).
        const MMAP_EXCLUSIVE = 1 << 56;
        /// `PM_UFFD_WP`: write-protected by a userfaultfd (since Linux 5.13).
        const UFFD_WP = 1 << 57;
        /// `PM_GUARD_REGION`: a guard (since Linux 6.15).
        const GUARD_REGION = 1 << 58;
        /// `PM_FILE`: belongs to a file, or to shared memory (since Linux 3.5).
        const FILE = 1 << 61;
        /// `PM_SWAP`: in swap space, or only a mark is there, as for a guard.
        const SWAP = 1 << 62;
        /// `PM_PRESENT`: in memory.
        const PRESENT = 1 << 63;
        const _ = !0;
    }
}

/// The bits of the number in an entry.
const NUMBER: u64 = (1 << 55) - 1;

/// The bits of the swap area in the number of an entry.
const SWAP_TYPE: u32 = 5;

impl PagemapEntry {
    /// Returns the number of the page frame, if the page is in memory; 0 without `CAP_SYS_ADMIN`.
    #[must_use]
    pub const fn pfn(self) -> Option<u64> {
        match self.contains(Self::PRESENT) {
            true => Some(self.bits() & NUMBER),
            false => None,
        }
    }

    /// Returns the swap area and the offset in it, in pages, if the page is swapped out or only a mark is there; 0 without
    /// `CAP_SYS_ADMIN`.
    #[must_use]
    pub const fn swap(self) -> Option<(u8, u64)> {
        match self.contains(Self::SWAP) {
            true => {
                let number = self.bits() & NUMBER;
                Some((number as u8 & ((1 << SWAP_TYPE) - 1), number >> SWAP_TYPE))
            }
            false => None,
        }
    }
}

/// `pread(pagemap, entries, len, addr / page_size * 8)`—Reads the entries of the pages from an address on.
///
/// `pagemap` is an open `/proc/PID/pagemap`. `addr` needs no alignment. Returns how many entries were read: fewer than asked
/// for at the end of user space, and none of a process that is gone. A page that nobody mapped has an empty entry.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{PagemapEntry, pagemap_read};
///
/// let pagemap = std::fs::File::open("/proc/self/pagemap").unwrap();
/// let local = 0u8;
/// let mut entries = [PagemapEntry::empty(); 1];
/// assert_eq!(pagemap_read(&pagemap, (&raw const local).cast(), &mut entries)?, 1);
/// assert!(entries[0].contains(PagemapEntry::PRESENT));
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EBADF`: `pagemap` is not open for reading.
/// - `ENOMEM`: no memory for the work.
///
/// # References
///
/// [proc_pid_pagemap(5)](https://man7.org/linux/man-pages/man5/proc_pid_pagemap.5.html)
#[doc(alias = "pagemap")]
pub fn pagemap_read(
    pagemap: impl AsFd,
    addr: *const c_void,
    entries: &mut [PagemapEntry],
) -> Result<usize> {
    let offset = addr.addr() as u64 / page_size() as u64 * size_of::<PagemapEntry>() as u64;
    let bytes = mem::size_of_val(entries);
    // SAFETY:
    // - The bytes are those of `entries`, which is borrowed for as long as they are.
    // - An entry is a number without padding, and any bytes are a valid one.
    let buf = unsafe { core::slice::from_raw_parts_mut(entries.as_mut_ptr().cast::<u8>(), bytes) };
    let read = rustix::io::pread(pagemap, buf, offset)?;
    Ok(read / size_of::<PagemapEntry>())
}
