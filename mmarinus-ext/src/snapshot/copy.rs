//! Copies into a file in memory, by the cheapest call that the source allows.
//!
//! Each way begins where the one before stopped. That a source has ended is believed of `read` alone: the others also stop where
//! they cannot go on, and say 0 of files whose length is told as 0.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use mmarinus::Errno;
use rustix::fs::{copy_file_range, sendfile};
use rustix::io::{pread, read};
use rustix::pipe::{SpliceFlags, splice};

use crate::memfd::Memfd;

/// As much as the kernel copies in one call: whole pages below 2 GiB.
const AT_ONCE: u64 = 0x7fff_f000;

/// The buffer of copies by `read`.
const BUFFER: usize = 64 << 10;

/// Copies a file from its first byte on, at most `most` bytes; returns how many.
pub(super) fn copy_file(from: BorrowedFd<'_>, to: &Memfd, most: u64) -> io::Result<u64> {
    // Each counts from the byte that it is told, and leaves the position of the source alone.
    let copied = in_kernel(0, most, |mut offset, len| {
        copy_file_range(from, Some(&mut offset), to, None, len)
    });
    let copied = in_kernel(copied, most, |mut offset, len| {
        sendfile(to, from, Some(&mut offset), len)
    });
    by_buffer(to, copied, most, |offset, buffer| {
        pread(from, buffer, offset)
    })
}

/// Copies what comes, to its end, at most `most` bytes; returns how many.
pub(super) fn copy_stream(from: BorrowedFd<'_>, to: &Memfd, most: u64) -> io::Result<u64> {
    let copied = in_kernel(0, most, |_, len| {
        splice(from, None, to, None, len, SpliceFlags::empty())
    });
    by_buffer(to, copied, most, |_, buffer| read(from, buffer))
}

/// Copies by a call that is told how much was copied and how much to copy, until it stops; returns how much was copied then.
///
/// Why it stops is for the next way to find out.
fn in_kernel(mut copied: u64, most: u64, call: impl Fn(u64, usize) -> Result<usize, Errno>) -> u64 {
    while copied < most {
        let len = AT_ONCE.min(most - copied) as usize;
        match call(copied, len) {
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => break,
            Ok(more) => copied += more as u64,
        }
    }
    copied
}

/// Copies by a call that reads into a buffer, until the source ends.
fn by_buffer(
    mut to: &Memfd,
    mut copied: u64,
    most: u64,
    call: impl Fn(u64, &mut [u8]) -> Result<usize, Errno>,
) -> io::Result<u64> {
    let mut buffer = Vec::new();
    while copied < most {
        // One byte tells whether the source has ended, which it mostly has by now.
        let len = if buffer.is_empty() { 1 } else { BUFFER };
        buffer.resize(len, 0);
        let len = (len as u64).min(most - copied) as usize;
        match call(copied, &mut buffer[..len]) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(0) => break,
            Ok(more) => {
                to.write_all(&buffer[..more])?;
                copied += more as u64;
            }
        }
    }
    Ok(copied)
}
