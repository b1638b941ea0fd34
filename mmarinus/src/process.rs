//! Calls on a whole process: advice for many ranges at once, for other processes, and settings that all maps share.
//!
//! The settings are those of `mmarinus_sys`, which are safe: none of them changes a byte.
//!
//! | setting | calls |
//! | --- | --- |
//! | all pages stay in memory | [`mlockall`], [`munlockall`] |
//! | no memory becomes executable any more (MDWE) | [`set_mdwe`], [`get_mdwe`] |
//! | transparent huge pages | [`set_thp_disable`], [`get_thp_disable`] |
//! | equal pages are merged (KSM) | [`set_memory_merge`], [`get_memory_merge`] |
//! | the memory of a dying process is freed at once | [`process_mrelease`] |
//!
//! # Examples
//!
//! ```
//! use mmarinus::process::{self, MlockAllFlags};
//!
//! match process::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::ONFAULT) {
//!     Ok(()) => process::munlockall()?,
//!     Err(errno) => println!("{errno}: RLIMIT_MEMLOCK is too low"),
//! }
//! # Ok::<(), mmarinus::Errno>(())
//! ```
#![expect(unsafe_code, reason = "gives the kernel advice about pages")]

use core::ops::{Range, RangeBounds};

use mmarinus_sys::{Errno, IoVec, process_madvise};
pub use mmarinus_sys::{
    MdweFlags, MlockAllFlags, PIDFD_SELF, ThpDisable, get_mdwe, get_memory_merge, get_thp_disable,
    mlockall, munlockall, process_mrelease, set_mdwe, set_thp_disable,
};
use rustix::fd::AsFd;

use crate::backing::Backing;
use crate::error::{Cause, Error, Operation, Reason};
use crate::hints::Advice;
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;
use crate::region::{self, Region};

/// `prctl(PR_SET_MEMORY_MERGE, merge, 0, 0, 0)`—Lets the kernel merge equal pages of all private anonymous memory of the process
/// (KSM), or stops that and takes merged pages apart again (since Linux 6.4).
///
/// Moves of maps (`move_to`, `remap`, [`place`](crate::Reservation::place) and others) that are under way are awaited.
///
/// # Examples
///
/// ```
/// use mmarinus::{Errno, process};
///
/// match process::set_memory_merge(true) {
///     Ok(()) => assert!(process::get_memory_merge()?), // for all of the process
///     Err(errno) => assert_eq!(errno, Errno::INVAL), // an older kernel, or one without KSM
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINTR`: a signal that kills came.
/// - `EINVAL`: the kernel is older than 6.4 or built without KSM.
/// - `ENOMEM`: no memory for the work.
///
/// # References
///
/// [PR_SET_MEMORY_MERGE(2const)](https://man7.org/linux/man-pages/man2/PR_SET_MEMORY_MERGE.2const.html)
pub fn set_memory_merge(merge: bool) -> Result<(), Errno> {
    region::merge_process(merge)
}

/// How many ranges go into one system call.
const BATCH: usize = 64;

/// Some bytes of a map of any type, for [`advise`].
#[derive(Clone, Debug)]
pub struct Part<'map> {
    region: &'map Region,
    /// Lies in the region.
    range: Range<usize>,
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// A range of bytes, to be advised about together with parts of other maps: see [`process::advise`](advise).
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range does not lie in the map.
    pub fn part(&self, range: impl RangeBounds<usize>) -> Result<Part<'_>, Error> {
        Ok(Part {
            region: self.region(),
            range: self.bytes_of(range)?,
        })
    }
}

/// Gives the kernel advice about the pages around many ranges: one `process_madvise` for every 64 of them (since Linux 6.13,
/// with [`PIDFD_SELF`] of 6.15; before that one `madvise` for each).
///
/// # Examples
///
/// ```
/// use mmarinus::{Advice, Map, perms, process};
///
/// let first = Map::bytes(1 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
/// let second = Map::bytes(1 << 20).anywhere().anonymously().with(perms::Read)?;
/// process::advise(&[first.part(..4096)?, first.part(8192..)?, second.part(..)?], Advice::COLD)?;
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// # Errors
///
/// As for [`Map::advise`]. Some of the ranges may have the advice then.
///
/// # References
///
/// [process_madvise(2)](https://man7.org/linux/man-pages/man2/process_madvise.2.html)
pub fn advise(parts: &[Part<'_>], advice: Advice) -> Result<(), Error> {
    for parts in parts.chunks(BATCH) {
        if !advise_at_once(parts, advice) {
            // One after the other tells which is refused, and why.
            for Part { region, range } in parts {
                let figures = [range.len(), region.as_ptr().addr() + range.start];
                // SAFETY: an `Advice` of this crate changes no byte and takes no page away.
                unsafe { region.advise(range.clone(), advice.raw()) }
                    .map_err(|errno| Cause::kernel(Operation::Madvise, errno, figures))?;
            }
        }
    }
    Ok(())
}

/// Whether one call was enough for these parts, which are no more than [`BATCH`].
fn advise_at_once(parts: &[Part<'_>], advice: Advice) -> bool {
    let mut ranges = [const { IoVec::new(core::ptr::null_mut(), 0) }; BATCH];
    let mut total = 0;
    for (range, part) in ranges.iter_mut().zip(parts) {
        let (start, len) = part.region.pages_for(part.range.clone(), advice.raw());
        *range = IoVec::new(start, len);
        total = len.saturating_add(total);
    }
    // SAFETY: the pages belong to maps that live, and an `Advice` of this crate changes no byte and takes no page away.
    let done = unsafe { process_madvise(PIDFD_SELF, &ranges[..parts.len()], advice.raw()) };
    done == Ok(total)
}

/// Gives the kernel advice about memory of another process, by its addresses there: `process_madvise`. The answer is how many
/// bytes were advised about.
///
/// Only [`Advice::COLD`], [`Advice::PAGEOUT`], [`Advice::WILLNEED`] (since Linux 5.10) and [`Advice::COLLAPSE`] (since Linux 6.1)
/// can be given so. The ranges are rounded outward to whole pages by the kernel, and start where pages do. At most 64 are
/// taken by one call.
///
/// # Examples
///
/// ```
/// use mmarinus::{Advice, process};
/// use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};
///
/// let other = pidfd_open(getpid(), PidfdFlags::empty())?; // A child's, say.
/// let advised = process::advise_other(&other, &[0x10000..0x11000], Advice::COLD);
/// assert!(advised.is_err(), "nothing is mapped there");
/// # Ok::<(), rustix::io::Errno>(())
/// ```
///
/// # Errors
///
/// - `EBADF`: not a pidfd.
/// - `EINVAL`: other advice, more than 64 ranges, or one that ends before it starts or does not start where a page does.
/// - `ENOMEM`: nothing is mapped there.
/// - `EPERM`: the caller may not look into the process, or lacks `CAP_SYS_NICE`.
/// - `ESRCH`: the process has ended.
///
/// # References
///
/// [process_madvise(2)](https://man7.org/linux/man-pages/man2/process_madvise.2.html)
pub fn advise_other<F: AsFd + ?Sized>(
    pidfd: &F,
    ranges: &[Range<usize>],
    advice: Advice,
) -> Result<usize, Error> {
    let refused = |reason| Cause::refused(Operation::ProcessMadvise, reason, [ranges.len(), 0]);
    let harmless = [
        Advice::COLD,
        Advice::PAGEOUT,
        Advice::WILLNEED,
        Advice::COLLAPSE,
    ];
    if !harmless.contains(&advice) {
        return Err(refused(Reason::NotForOthers).into());
    }
    if ranges.len() > BATCH || ranges.iter().any(|range| range.start > range.end) {
        return Err(refused(Reason::BadRanges).into());
    }
    let mut list = [const { IoVec::new(core::ptr::null_mut(), 0) }; BATCH];
    for (entry, range) in list.iter_mut().zip(ranges) {
        let start = core::ptr::without_provenance_mut(range.start);
        *entry = IoVec::new(start, range.end - range.start);
    }
    // SAFETY: these four kinds of advice change no byte and take nothing from anybody, in whatever process.
    let done = unsafe { process_madvise(pidfd.as_fd(), &list[..ranges.len()], advice.raw()) };
    done.map_err(|errno: Errno| {
        Cause::kernel(Operation::ProcessMadvise, errno, [ranges.len(), 0]).into()
    })
}
