//! Tracking writes: which pages of a map were written since one last asked.
#![expect(
    unsafe_code,
    reason = "registers and protects pages of maps, by ioctls of a userfaultfd"
)]

use core::iter::FusedIterator;
use core::ops::{Deref, DerefMut, Range, RangeBounds};

use mmarinus_sys::{
    self as sys, Errno, PageCategories, PageRegion, PagemapScan, PagemapScanFlags, UffdFeatures,
    UffdRegisterMode, UffdWriteprotectMode, UserfaultfdFlags,
};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, getpid};

use crate::backing::{Backing, Written};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;
use crate::proc::{self, Batches};
use crate::scan::Bytes;

/// A map whose writes are tracked, page by page: [`take_dirty`](Self::take_dirty) tells which pages were written.
///
/// The kernel protects the pages; the first write to a page takes the protection away, in the kernel, and nobody waits.
/// So all that the ladder says of the map stays true. What is tracked:
///
/// - writes of this process through this map, by its own code and by the kernel for it (`read(2)` into the map);
/// - pages of private anonymous memory that were given back (`discard`), and so hold zeros.
///
/// Pages of files and of shared memory that are given back (`revert`, `discard`, `punch_hole`) are told only if they were
/// written as well. What others write to a shared object through their own maps, `write(2)` to the file, and devices that have
/// the pages pinned are not seen. A forked child has the map, but not the tracking.
///
/// It lends the map (`Deref`, `DerefMut`). Changes that take a map by value need the map itself:
/// [`into_map`](Self::into_map) ends the tracking; [`reprotect`](Self::reprotect) and [`split`](Self::split) keep it.
///
/// # Examples
///
/// ```
/// use mmarinus::{Errno, Map, perms};
///
/// let map = Map::bytes(1 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
/// match map.track_writes() {
///     Ok(mut map) => {
///         map[5000] = 1;
///         for bytes in map.take_dirty(..)? {
///             println!("{:?} changed", bytes?); // 4096..8192 changed
///         }
///         assert_eq!(map.take_dirty(..)?.count(), 0);
///     }
///     Err(error) => assert_eq!(error.errno(), Errno::OPNOTSUPP), // An older kernel.
/// }
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// # References
///
/// [ioctl_userfaultfd(2)](https://man7.org/linux/man-pages/man2/ioctl_userfaultfd.2.html),
/// [PAGEMAP_SCAN(2const)](https://man7.org/linux/man-pages/man2/PAGEMAP_SCAN.2const.html)
#[derive(Debug)]
#[must_use = "a map that is dropped is unmapped"]
pub struct Tracked<M> {
    /// First, so that it is unmapped before the rest is closed, which would otherwise change its mapping in vain.
    map: M,
    tracker: Tracker,
}

/// What tracks: a userfaultfd with which pages are registered, and the entries of their page tables.
#[derive(Debug)]
struct Tracker {
    /// Has the feature `WP_ASYNC` alone, so that no fault in its pages ever waits or fails.
    uffd: OwnedFd,
    pagemap: OwnedFd,
    /// The process whose memory both act on.
    process: Pid,
    /// The pages that are registered: where they start, and how many bytes they are.
    pages: (usize, usize),
}

impl Tracker {
    fn new(pages: (usize, usize)) -> Result<Self, Errno> {
        // No fault is ever handled by user space, so this asks for no privilege.
        let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::USER_MODE_ONLY;
        let uffd = sys::userfaultfd(flags)?;
        let features = UffdFeatures::WP_ASYNC
            | UffdFeatures::WP_UNPOPULATED
            | UffdFeatures::PAGEFAULT_FLAG_WP
            | UffdFeatures::WP_HUGETLBFS_SHMEM;
        sys::uffdio_api(&uffd, features)?;
        Ok(Self {
            uffd,
            pagemap: proc::open(proc::PAGEMAP)?,
            process: getpid(),
            pages,
        })
    }

    /// The same once more.
    fn duplicate(&self) -> Result<Self, Errno> {
        Ok(Self {
            uffd: fcntl_dupfd_cloexec(&self.uffd, 3)?,
            pagemap: fcntl_dupfd_cloexec(&self.pagemap, 3)?,
            process: self.process,
            pages: self.pages,
        })
    }

    /// Whether it acts on the memory of the process that asks: a forked child has it too.
    fn is_ours(&self) -> bool {
        self.process == getpid()
    }

    /// Registers all pages of a map, and protects them.
    fn start<P: Permissions, K: Kind, B: Backing<K>>(
        &self,
        map: &Map<P, K, B>,
    ) -> Result<(), Errno> {
        let (address, len) = map.pages();
        let start = map.as_mut_ptr().with_addr(address).cast();
        // SAFETY: the pages are the map's, and a userfaultfd with `WP_ASYNC` makes no touch of them wait or fail.
        unsafe { sys::uffdio_register(&self.uffd, start, len, UffdRegisterMode::WP) }?;
        loop {
            // SAFETY: as above.
            match unsafe {
                sys::uffdio_writeprotect(&self.uffd, start, len, UffdWriteprotectMode::WP)
            } {
                Err(Errno::AGAIN | Errno::INTR) => {}
                done => return done,
            }
        }
    }

    /// Registers the pages of a map no longer. If a forked child has the userfaultfd too, closing it would not do that.
    fn end<P: Permissions, K: Kind, B: Backing<K>>(&self, map: &Map<P, K, B>) {
        let (address, len) = map.pages();
        let (first, all) = self.pages;
        // Another map may have been swapped in, whose pages somebody else may answer for.
        let is_tracked =
            address >= first && address - first <= all && all - (address - first) >= len;
        if len == 0 || !is_tracked || !self.is_ours() {
            return;
        }
        let start = map.as_mut_ptr().with_addr(address).cast();
        // SAFETY: the pages are the map's, and hold what they hold. A refusal leaves them registered: that harms nobody.
        let _ = unsafe { sys::uffdio_unregister(&self.uffd, start, len) };
    }

    /// Says of pages again that they were written.
    fn give_back(&self, pages: &PageRegion) {
        if !self.is_ours() {
            return;
        }
        let start = core::ptr::with_exposed_provenance_mut(pages.start as usize);
        let len = (pages.end - pages.start) as usize;
        let unprotected = UffdWriteprotectMode::DONTWAKE;
        // SAFETY: the pages are those of a map that is borrowed, and were just scanned; to lift a protection of `WP_ASYNC`
        // changes no byte.
        let _ = unsafe { sys::uffdio_writeprotect(&self.uffd, start, len, unprotected) };
    }
}

impl<P: Permissions, K: Kind, B: Written<K>> Map<P, K, B> {
    /// Tracks which pages are written from now on: a userfaultfd with `WP_ASYNC`, since Linux 6.7. Needs no privilege.
    ///
    /// Any memory but that of devices: anonymous, files, memory files, huge pages. A huge page that the kernel made by itself
    /// is split when it is written, so that each of its small pages is told; huge pages of a pool are told whole. Page
    /// tables are made for all of the map, a 512th of its length.
    ///
    /// # Errors
    ///
    /// The map comes back as it was.
    ///
    /// - `EOPNOTSUPP`: the kernel does not have it.
    /// - `EBUSY`: the pages are tracked, or paged, by another userfaultfd.
    /// - `EINVAL`: the memory is [`Droppable`](crate::backing::Droppable), on newer kernels.
    /// - `EPERM`: a shared map that can never be written, as the file was opened for reading or is sealed; or seccomp forbids it.
    /// - `ENOMEM`: `vm.max_map_count`, or no memory for page tables.
    /// - `EMFILE`, `ENFILE`: too many open files; it takes two.
    /// - `ENOENT`: no `/proc` is mounted.
    ///
    /// # References
    ///
    /// [UFFDIO_REGISTER(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_REGISTER.2const.html)
    pub fn track_writes(self) -> Result<Tracked<Self>, Error<Self>> {
        let (address, len) = self.pages();
        let figures = [len, address];
        if !sys::Support::userfaultfd_features().contains(UffdFeatures::WP_ASYNC) {
            let cause = Cause::refused(Operation::Track, Reason::NoTracking, figures);
            return Err(Error::with_map(cause, self));
        }
        let tracker = Tracker::new(self.pages()).and_then(|tracker| match len {
            0 => Ok(tracker),
            _ => tracker.start(&self).map(|()| tracker),
        });
        match tracker {
            Ok(tracker) => Ok(Tracked { map: self, tracker }),
            // The userfaultfd was closed, so the pages are registered no more.
            Err(errno) => Err(Error::with_map(
                Cause::kernel(Operation::Track, errno, figures),
                self,
            )),
        }
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Tracked<Map<P, K, B>> {
    /// Takes the pages of a range that were written since they were last taken, or since tracking began: each is told once, and
    /// from then on later writes are. `ioctl(PAGEMAP_SCAN)` with `PM_SCAN_WP_MATCHING`.
    ///
    /// The items are ranges of bytes of the map, in no order. A write is never missed: one that comes meanwhile is told now
    /// or next time. What is not taken out of the iterator stays written. Others may write meanwhile, and other threads take
    /// other pages. Nothing is allocated. Pages that never were in memory are not told.
    ///
    /// The range starts and ends where pages do, or where the map does.
    ///
    /// # Errors
    ///
    /// Of the call, and of each item; after an error no more items come.
    ///
    /// - `EINVAL`: the range does not lie in the map, or not on whole pages.
    /// - `EPERM`: the map is not the one that is tracked: it was exchanged by way of `DerefMut`.
    /// - `ESRCH`: in a forked child, which has no part in the tracking.
    ///
    /// # References
    ///
    /// [PAGEMAP_SCAN(2const)](https://man7.org/linux/man-pages/man2/PAGEMAP_SCAN.2const.html)
    pub fn take_dirty(&self, range: impl RangeBounds<usize>) -> Result<Dirty<'_>, Error> {
        let range = self.map.bytes_of(range)?;
        let bytes = Bytes {
            address: self.map.addr(),
            len: self.map.len(),
        };
        let figures = [range.len(), bytes.address + range.start];
        let refused = |reason| Cause::refused(Operation::TakeDirty, reason, figures);
        let whole = |offset: usize, end: usize| {
            offset == end || (bytes.address + offset).is_multiple_of(self.map.page_size())
        };
        if !(range.is_empty() || whole(range.start, 0) && whole(range.end, bytes.len)) {
            return Err(refused(Reason::NotWholePages).into());
        }
        if !self.tracker.is_ours() {
            return Err(refused(Reason::OtherProcess).into());
        }
        let pages = bytes.pages(&range, self.map.page_size());
        let mut dirty = Dirty {
            tracker: &self.tracker,
            bytes,
            batches: Batches::new(WRITTEN, pages.clone()),
            emptied: Some(pages),
        };
        // The first look tells whether the map is tracked.
        if let Err(errno) = dirty.batches.fetch(self.tracker.pagemap.as_fd()) {
            return Err(dirty.failed(errno));
        }
        Ok(dirty)
    }

    /// Tracks no longer, and gives the map back.
    pub fn into_map(self) -> Map<P, K, B> {
        self.tracker.end(&self.map);
        self.map
    }

    /// Changes what the pages allow, as [`Map::reprotect`], and goes on tracking.
    ///
    /// # Errors
    ///
    /// As for [`Map::reprotect`]; the map comes back tracked.
    pub fn reprotect<Q: Permissions>(self, perms: Q) -> Result<Tracked<Map<Q, K, B>>, Error<Self>> {
        let Self { map, tracker } = self;
        match map.reprotect(perms) {
            Ok(map) => Ok(Tracked { map, tracker }),
            Err(error) => Err(error.map_map(|map| Self { map, tracker })),
        }
    }

    /// Cuts the map in two, as [`Map::split`], and goes on tracking both.
    ///
    /// # Errors
    ///
    /// The map comes back as it was.
    ///
    /// - `EINVAL`: the offset does not lie in the map, or no page starts there.
    /// - `EMFILE`, `ENFILE`: too many open files; it takes two more.
    pub fn split(self, offset: usize) -> Result<(Self, Self), Error<Self>> {
        let second_tracker = match self.tracker.duplicate() {
            Ok(tracker) => tracker,
            Err(errno) => {
                let figures = [self.map.len(), self.map.addr()];
                let cause = Cause::kernel(Operation::Track, errno, figures);
                return Err(Error::with_map(cause, self));
            }
        };
        let Self { map, tracker } = self;
        match map.split(offset) {
            Ok((first, second)) => Ok((
                Self {
                    map: first,
                    tracker,
                },
                Self {
                    map: second,
                    tracker: second_tracker,
                },
            )),
            Err(error) => Err(error.map_map(|map| Self { map, tracker })),
        }
    }
}

impl<M> Deref for Tracked<M> {
    type Target = M;

    #[inline]
    fn deref(&self) -> &M {
        &self.map
    }
}

impl<M> DerefMut for Tracked<M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M {
        &mut self.map
    }
}

impl<M> From<Error<Tracked<M>>> for Error {
    fn from(error: Error<Tracked<M>>) -> Self {
        error.without_map()
    }
}

/// Pages that were written, to be protected again.
const WRITTEN: PagemapScan = PagemapScan {
    flags: PagemapScanFlags::WP_MATCHING.union(PagemapScanFlags::CHECK_WPASYNC),
    max_pages: 0,
    inverted: PageCategories::empty(),
    mask: PageCategories::WRITTEN,
    anyof: PageCategories::empty(),
    returned: PageCategories::WRITTEN,
};

/// Pages of which not even the mark of the protection is left, since they were given back; to be protected again. Where a whole
/// table of pages is gone, the kernel does not say that they were written.
const EMPTIED: PagemapScan = PagemapScan {
    inverted: PageCategories::PRESENT.union(PageCategories::SWAPPED),
    mask: PageCategories::PRESENT.union(PageCategories::SWAPPED),
    ..WRITTEN
};

/// Pages that were written, as ranges of bytes of the map: what [`Tracked::take_dirty`] returns.
///
/// What is left in it when it is dropped stays written.
#[derive(Debug)]
#[must_use = "what is not taken out stays written"]
pub struct Dirty<'map> {
    tracker: &'map Tracker,
    bytes: Bytes,
    batches: Batches,
    /// The pages to look at once more, for what was given back.
    emptied: Option<Range<u64>>,
}

impl Dirty<'_> {
    fn failed(&mut self, errno: Errno) -> Error {
        self.batches.stop();
        self.emptied = None;
        let figures = [self.bytes.len, self.bytes.address];
        Cause::kernel(Operation::TakeDirty, errno, figures).into()
    }
}

impl Iterator for Dirty<'_> {
    type Item = Result<Range<usize>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(region) = self.batches.pop() {
                return Some(Ok(self.bytes.in_pages(&region)));
            }
            if !self.tracker.is_ours() {
                self.batches.stop();
                return None;
            }
            match self.batches.fetch(self.tracker.pagemap.as_fd()) {
                Ok(true) => {}
                Ok(false) => self.batches = Batches::new(EMPTIED, self.emptied.take()?),
                Err(errno) => return Some(Err(self.failed(errno))),
            }
        }
    }
}

impl FusedIterator for Dirty<'_> {}

impl Drop for Dirty<'_> {
    fn drop(&mut self) {
        while let Some(region) = self.batches.pop() {
            self.tracker.give_back(&region);
        }
    }
}
