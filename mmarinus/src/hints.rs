//! Hints about pages: advice that changes no byte, and locks. Ranges round outward to whole pages, inside the map.
#![expect(unsafe_code, reason = "gives the kernel advice about pages")]

use core::ops::{Range, RangeBounds};

use mmarinus_sys::Errno;

use crate::backing::Backing;
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;
use crate::range::resolve;

/// Advice about pages that changes none of their bytes.
///
/// There is no way from a number to an advice: what an unknown one does is not known. Advice that changes bytes has methods
/// of its own, and advice that only root gives, or that breaks maps, is in `mmarinus_sys` alone.
///
/// # References
///
/// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Advice(mmarinus_sys::Advice);

impl Advice {
    /// `MADV_NORMAL`: no special treatment.
    pub const NORMAL: Self = Self(mmarinus_sys::Advice::NORMAL);
    /// `MADV_RANDOM`: reads come in no order, so read nothing ahead. For a cold file that is 32 times slower when it is wrong.
    pub const RANDOM: Self = Self(mmarinus_sys::Advice::RANDOM);
    /// `MADV_SEQUENTIAL`: reads come in order, so read far ahead.
    pub const SEQUENTIAL: Self = Self(mmarinus_sys::Advice::SEQUENTIAL);
    /// `MADV_WILLNEED`: read ahead now.
    pub const WILLNEED: Self = Self(mmarinus_sys::Advice::WILLNEED);
    /// `MADV_COLD`: the first to be reclaimed when memory runs short.
    pub const COLD: Self = Self(mmarinus_sys::Advice::COLD);
    /// `MADV_PAGEOUT`: reclaim now.
    pub const PAGEOUT: Self = Self(mmarinus_sys::Advice::PAGEOUT);
    /// `MADV_HUGEPAGE`: use transparent huge pages here.
    pub const HUGEPAGE: Self = Self(mmarinus_sys::Advice::HUGEPAGE);
    /// `MADV_NOHUGEPAGE`: use no transparent huge pages here.
    pub const NOHUGEPAGE: Self = Self(mmarinus_sys::Advice::NOHUGEPAGE);
    /// `MADV_COLLAPSE`: make huge pages of what is there, now (since Linux 6.1).
    pub const COLLAPSE: Self = Self(mmarinus_sys::Advice::COLLAPSE);
    /// `MADV_MERGEABLE`: share pages that hold the same bytes; others can then tell by time which do.
    pub const MERGEABLE: Self = Self(mmarinus_sys::Advice::MERGEABLE);
    /// `MADV_UNMERGEABLE`: undo `MERGEABLE`.
    pub const UNMERGEABLE: Self = Self(mmarinus_sys::Advice::UNMERGEABLE);
    /// `MADV_DONTDUMP`: leave out of core dumps.
    pub const DONTDUMP: Self = Self(mmarinus_sys::Advice::DONTDUMP);
    /// `MADV_DODUMP`: undo `DONTDUMP`.
    pub const DODUMP: Self = Self(mmarinus_sys::Advice::DODUMP);
    /// `MADV_POPULATE_READ`: bring the pages in for reading, and say if that fails (since Linux 5.14).
    pub const POPULATE_READ: Self = Self(mmarinus_sys::Advice::POPULATE_READ);
    /// `MADV_POPULATE_WRITE`: bring the pages in for writing, and say if that fails (since Linux 5.14).
    pub const POPULATE_WRITE: Self = Self(mmarinus_sys::Advice::POPULATE_WRITE);
}

impl Advice {
    /// The kernel's advice.
    #[inline]
    pub(crate) fn raw(self) -> mmarinus_sys::Advice {
        self.0
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Gives the kernel advice about the pages around a range of bytes: `madvise`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Advice, Map, perms};
    ///
    /// let map = Map::bytes(4 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map.advise(.., Advice::HUGEPAGE)?;
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Part of the range may have the advice then.
    ///
    /// - `EAGAIN`, `ENOMEM`: `vm.max_map_count`, or no memory.
    /// - `EFAULT`: a page could not be populated.
    /// - `EINVAL`: the range does not lie in the map; or the kernel is too old for the advice, or does not take it for such
    ///   pages.
    #[inline]
    pub fn advise(&self, range: impl RangeBounds<usize>, advice: Advice) -> Result<(), Error> {
        let range = self.bytes_of(range)?;
        // SAFETY: an `Advice` of this crate changes no byte and takes no page away.
        match unsafe { self.region().advise(range.clone(), advice.0) } {
            Ok(()) => Ok(()),
            Err(errno) => Err(refused(Operation::Madvise, errno, self.addr(), range)),
        }
    }

    /// Brings the pages around a range of bytes in and keeps them in memory: `mlock`.
    ///
    /// # Errors
    ///
    /// Part of the range may be locked then.
    ///
    /// - `EAGAIN`: some pages could not be had now.
    /// - `EINVAL`: the range does not lie in the map.
    /// - `ENOMEM`, `EPERM`: `RLIMIT_MEMLOCK`, `vm.max_map_count`, or a page that cannot be brought in.
    ///
    /// # References
    ///
    /// [mlock(2)](https://man7.org/linux/man-pages/man2/mlock.2.html)
    #[inline]
    pub fn lock(&self, range: impl RangeBounds<usize>) -> Result<(), Error> {
        let range = self.bytes_of(range)?;
        match self.region().lock(range.clone()) {
            Ok(()) => Ok(()),
            Err(errno) => Err(refused(Operation::Mlock, errno, self.addr(), range)),
        }
    }

    /// Keeps the pages around a range of bytes in memory from their first use on: `mlock2` with `MLOCK_ONFAULT`.
    ///
    /// # Errors
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # References
    ///
    /// [mlock2(2)](https://man7.org/linux/man-pages/man2/mlock2.2.html)
    #[inline]
    pub fn lock_on_fault(&self, range: impl RangeBounds<usize>) -> Result<(), Error> {
        let range = self.bytes_of(range)?;
        match self.region().lock_on_fault(range.clone()) {
            Ok(()) => Ok(()),
            Err(errno) => Err(refused(Operation::Mlock, errno, self.addr(), range)),
        }
    }

    /// Keeps the pages around a range of bytes in memory no longer: `munlock`.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range does not lie in the map.
    /// - `ENOMEM`: `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [munlock(2)](https://man7.org/linux/man-pages/man2/munlock.2.html)
    #[inline]
    pub fn unlock(&self, range: impl RangeBounds<usize>) -> Result<(), Error> {
        let range = self.bytes_of(range)?;
        match self.region().unlock(range.clone()) {
            Ok(()) => Ok(()),
            Err(errno) => Err(refused(Operation::Munlock, errno, self.addr(), range)),
        }
    }

    /// The bytes that a range names.
    #[inline]
    pub(crate) fn bytes_of(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>, Cause> {
        resolve(range, self.len())
            .map_err(|figures| Cause::refused(Operation::View, Reason::OutOfRange, figures))
    }
}

/// The kernel's refusal of a call on bytes of the map at `address`.
#[cold]
pub(crate) fn refused(
    operation: Operation,
    errno: Errno,
    address: usize,
    range: Range<usize>,
) -> Error {
    Cause::kernel(operation, errno, [range.len(), address + range.start]).into()
}
