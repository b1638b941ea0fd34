//! Looking at a file that claims to be a memfd in some state, without trusting whoever it comes from.

use mmarinus::kind::Kind;
use mmarinus::{Errno, HugePage, Map, Private, Shared, perms};
use mmarinus_sys::{fcntl_get_seals, page_size};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{OFlags, Stat, fcntl_getfl, fstat, fstatfs};

use super::error::{Cause, Error, Step};
use super::file::Memfd;
use super::state::State;

/// The magic number of files in huge pages, from the kernel's `linux/magic.h`.
const HUGETLBFS: u32 = 0x9584_58f6;

/// Pages are read in through maps of at most this many bytes.
const WINDOW: u64 = 256 << 20;

impl<S: State> Memfd<S> {
    /// The same file in a state in which the kernel says it is.
    pub(super) fn become_state<T: State>(self) -> Result<Memfd<T>, Error<Self>> {
        let looked = look::<T>(self.as_fd());
        match looked {
            Ok((len, huge)) => Ok(self.with_state(len, huge)),
            Err(cause) => Err(Error::new(cause, self)),
        }
    }
}

/// Verifies that a descriptor is a memfd in the state `S`; returns its length in bytes, and the size of its huge pages.
///
/// Nothing here asks a file that is no memfd: a file system in user space could take for ever to answer.
pub(super) fn look<S: State>(fd: BorrowedFd<'_>) -> Result<(u64, Option<HugePage>), Cause> {
    // Seals come first: what is seen afterwards can only change in ways that they allow.
    let seals = match fcntl_get_seals(fd) {
        Ok(seals) => seals,
        Err(Errno::INVAL) => return Err(Cause::not_a_memfd()),
        Err(errno) => return Err(Cause::kernel(Step::Look, errno)),
    };
    if !seals.contains(S::SEALS) {
        return Err(Cause::lacks(S::SEALS.difference(seals)));
    }
    // Without further seals a file of a tmpfs, which can never be sealed, looks like a memfd that must not be.
    if seals.intersects(S::BUT) {
        return Err(Cause::has(seals.intersection(S::BUT)));
    }
    let access = fcntl_getfl(fd).map_err(|errno| Cause::kernel(Step::Look, errno))?;
    match access.intersection(OFlags::RWMODE) {
        OFlags::WRONLY => return Err(Cause::not_readable()),
        OFlags::RDONLY if S::SEALS.is_empty() => return Err(Cause::not_writable()),
        _ => {}
    }
    let statfs = fstatfs(fd).map_err(|errno| Cause::kernel(Step::Look, errno))?;
    // The types of the fields differ between architectures.
    let huge = match statfs.f_type as u32 {
        HUGETLBFS => HugePage::from_log2((statfs.f_bsize as u64).trailing_zeros()),
        _ => None,
    };
    if huge.is_some() && !S::HUGE {
        return Err(Cause::huge(Step::Look));
    }
    let stat = stat(fd)?;
    let len = stat.st_size as u64;
    if S::WHOLE {
        let page = huge.and_then(HugePage::bytes);
        if (stat.st_blocks as u64) < blocks_needed(len, page) {
            return Err(Cause::holes(stat.st_blocks as u64 * 512, len));
        }
        match page {
            None => fill(fd, len, WINDOW, Private)?,
            // A private map of huge pages would reserve as many again.
            Some(page) => match fill(fd, len, WINDOW.max(page), Shared) {
                // Before Linux 6.7 there is no shared map of such a file. The next map of it brings its pages in as well.
                Err(cause) if cause.errno() == Errno::PERM => {}
                filled => filled?,
            },
        }
    }
    Ok((len, huge))
}

/// Reads every page of a sealed file once, after which there is no hole in it.
///
/// The file has as many blocks as it needs, so it has a hole only if there are others past its end, and then the memory that
/// this takes is no more than what the sender spent. A page that has memory but was never touched counts as a hole to `lseek`,
/// which moves the sender's position besides.
fn fill<K: Kind>(fd: BorrowedFd<'_>, len: u64, window: u64, kind: K) -> Result<(), Cause> {
    let mut offset = 0;
    while offset < len {
        let part = window.min(len - offset);
        let filled = Map::bytes(usize::try_from(part).unwrap_or(usize::MAX))
            .from_sealed(&fd, offset)
            .with_kind(kind)
            .with(perms::Read);
        drop(filled.map_err(Cause::map)?);
        offset += part;
    }
    Ok(())
}

/// `fstat`, as the step of a look.
pub(super) fn stat(fd: impl AsFd) -> Result<Stat, Cause> {
    fstat(fd).map_err(|errno| Cause::kernel(Step::Stat, errno))
}

/// The number of blocks of 512 bytes in whole pages that hold `len` bytes.
pub(super) fn blocks_needed(len: u64, huge: Option<u64>) -> u64 {
    let page = huge.unwrap_or(page_size() as u64);
    len.div_ceil(page).saturating_mul(page / 512)
}
