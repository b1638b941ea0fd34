//! Memory files whose seals prove what a map of them may promise: looked at on the very descriptor that is mapped.

use mmarinus_sys::{
    Errno, FallocateFlags, Overcommit, SealFlags, Support, fallocate, fcntl_get_seals,
};
use rustix::fd::BorrowedFd;

use crate::error::{Cause, Operation, Reason};
use crate::layout::page_shift;
use crate::source::{Looked, look_at_file};

/// What must be proved of a memory file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nobody changes its bytes or its size.
    Sealed,
    /// Nobody makes it shorter.
    SizeSealed,
}

/// Looks at a memory file of which bytes up to `end` are to be mapped.
#[cold]
pub(crate) fn look_at_memfd(
    fd: BorrowedFd<'_>,
    proof: Proof,
    end: Option<u64>,
) -> Result<Looked, Cause> {
    let refused = |reason| Cause::refused(Operation::Look, reason, [0, 0]);
    // Seals are the kernel's own word: only its memory files have any, and none is ever taken away again. They come first, so
    // that the size which is seen afterwards is the one that they keep.
    let seals = match fcntl_get_seals(fd) {
        Ok(seals) => seals,
        Err(_) => {
            return Err(look_at_file(fd)
                .err()
                .unwrap_or_else(|| refused(Reason::NoSeals)));
        }
    };
    for (seal, reason) in [
        (SealFlags::SHRINK, Reason::NoSealShrink),
        (SealFlags::GROW, Reason::NoSealGrow),
        (SealFlags::WRITE, Reason::NoSealWrite),
    ] {
        let needed = proof == Proof::Sealed || seal == SealFlags::SHRINK;
        if needed && !seals.contains(seal) {
            return Err(refused(reason));
        }
    }
    let looked = look_at_file(fd)?;
    if end.is_none_or(|end| end > looked.len()) {
        return Err(refused(Reason::PastTheEnd));
    }
    // A peer can punch a hole into huge pages, and then there may be none left to fill it: SIGBUS.
    if proof == Proof::SizeSealed && looked.page_shift != page_shift() {
        return Err(refused(Reason::HugeFile));
    }
    // Where memory may not be overcommitted, touching a hole that a peer punched is SIGBUS.
    let overcommits = Support::overcommit().is_ok_and(|mode| mode != Overcommit::NEVER);
    match proof {
        Proof::SizeSealed if !overcommits => Err(refused(Reason::NoOvercommit)),
        Proof::Sealed if !overcommits && looked.page_shift == page_shift() => {
            give_memory(fd, looked.len())?;
            Ok(looked)
        }
        _ => Ok(looked),
    }
}

/// Gives memory to all pages of a sealed file for as long as it lives: a page that was only read is dropped when memory runs
/// short, and is a hole again.
#[cold]
fn give_memory(fd: BorrowedFd<'_>, len: u64) -> Result<(), Cause> {
    /// Bytes at a time, so that signals do not undo all of it: at first, and where signals come so often that it gets nowhere.
    const STEPS: [u64; 2] = [16 << 20, 64 << 10];
    let [mut step, least] = STEPS;
    let mut offset = 0;
    while offset < len {
        let part = step.min(len - offset);
        match fallocate(fd, FallocateFlags::empty(), offset, part) {
            Ok(()) => offset += part,
            Err(Errno::INTR) => step = (step / 2).max(least),
            // Open for reading only.
            Err(Errno::BADF) => {
                return Err(Cause::refused(Operation::Look, Reason::OnlyRead, [0, 0]));
            }
            Err(errno) => {
                let figures = [part as usize, offset as usize];
                return Err(Cause::kernel(Operation::Fallocate, errno, figures));
            }
        }
    }
    Ok(())
}
