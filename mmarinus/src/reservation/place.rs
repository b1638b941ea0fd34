//! The run-time face of a reservation: what is placed, changed and taken away by `&self`.

use core::ops::{Range, RangeBounds};

use mmarinus_sys::{MapFlags, ProtFlags};
use rustix::fd::BorrowedFd;

use super::{Reservation, Window};
use crate::backing::{Device, Placeable};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::layout::{Layout, page_shift};
use crate::perms::ASKABLE;
use crate::range::resolve;
use crate::region::{Placed, Region};
use crate::source::Source;

/// The longest range in bytes in which guards are installed page by page; in a longer one they would cost memory.
const GUARDED_BY_PAGE: usize = 2 << 20;

impl Reservation {
    /// Places a file, or memory of no file, in a range: `mmap`, and `mremap` with `MREMAP_FIXED` over what was there.
    ///
    /// The pages are mapped elsewhere first, and moved there only when nothing can go wrong with them any more. They start at the
    /// byte `offset` of the source, which is where a page starts. `perms` is decided at run time: what is placed is never a
    /// slice, so no type needs to know.
    ///
    /// That is five calls: besides these two, the kernel is asked to merge none of the pages while they are moved (`madvise`,
    /// `prctl`), and whether there is room for one more mapping (`mremap` of nothing).
    ///
    /// Nobody is to own the pages: they are unmapped with the reservation, or when something else takes their place.
    ///
    /// # Examples
    ///
    /// See [`Reservation`].
    ///
    /// # Errors
    ///
    /// The range is as it was, unless the error's hint says otherwise: if the move itself fails, which the kernel does only if
    /// it runs out of memory or if other threads reach `vm.max_map_count` at that moment, what was there may be gone.
    ///
    /// - `EACCES`: the file is not open for reading, or not for writing where it is shared and to be written.
    /// - `EFAULT`: the range was given up when something failed there before.
    /// - `EINVAL`: the range does not lie in the reservation or not on whole pages, the offset is not where a page starts, the
    ///   permissions have unknown bits, or the file is in huge pages.
    /// - `ENOMEM`: no room: address space, `RLIMIT_AS`, commit limit, `vm.max_map_count`.
    /// - `EOVERFLOW`: the pages would end past the largest offset of a file.
    /// - `EPERM`: a mount option or a seal forbids it.
    ///
    /// # References
    ///
    /// [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html),
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn place<B: Placeable, K: Kind>(
        &self,
        range: impl RangeBounds<usize>,
        source: &Source<'_, B>,
        offset: u64,
        kind: K,
        perms: ProtFlags,
    ) -> Result<(), Error> {
        let _ = kind;
        let range = self.pages_of(range)?;
        let (flags, fd) = look::<B, K>(&range, source, offset, perms)?;
        let Some(layout) = Layout::new(0, range.len(), page_shift()) else {
            return Ok(()); // It is empty: a reservation has no range that is too long.
        };
        let behind = fd.map(|fd| (fd, offset));
        let new = Region::map(layout, 0, perms, flags, behind)
            .map_err(|errno| Cause::kernel(Operation::Mmap, errno, [range.len(), 0]))?;
        Ok(self.space().put(range, new)?)
    }

    /// Places a device whose driver ties its pages to their address, such as an enclave: `mmap` with `MAP_FIXED`, directly.
    ///
    /// What was in the range is gone, and so it stays if the driver refuses. The range is then reserved again, and
    /// inaccessible. Should another thread have mapped something there between the kernel's refusal and that, the range is
    /// given up: nothing of the reservation touches it any more, and the error says so.
    ///
    /// From now on a [`view`](Self::view) of the reservation is not written by safe code: what a device does with its bytes is
    /// for `unsafe` [`write_device_at`](Window::write_device_at) to know.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Private, ProtFlags, Reservation, Source};
    ///
    /// let zero = std::fs::File::options().read(true).write(true).open("/dev/zero")?;
    /// let reservation = Reservation::new(1 << 20)?;
    /// let rw = ProtFlags::READ | ProtFlags::WRITE;
    /// reservation.place_in_place(0..1 << 16, &Source::device(&zero)?, 0, Private, rw)?;
    ///
    /// let view = reservation.view(0..1 << 16)?;
    /// assert!(view.write_at(0, b"hello").is_err());
    /// // SAFETY: a private map of /dev/zero is plain memory.
    /// unsafe { view.write_device_at(0, b"hello") }?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EFAULT`: the range was given up when something failed there before.
    /// - `EINVAL`: the range does not lie in the reservation or not on whole pages, the offset is not where a page starts, the
    ///   permissions have unknown bits, or the device has huge pages. The range is as it was.
    /// - `ENOMEM`: `vm.max_map_count`, or memory.
    /// - What the driver says: `EACCES`, `EINVAL`, `ENODEV`, `EPERM` and others.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn place_in_place<K: Kind>(
        &self,
        range: impl RangeBounds<usize>,
        source: &Source<'_, Device>,
        offset: u64,
        kind: K,
        perms: ProtFlags,
    ) -> Result<(), Error> {
        let _ = kind;
        let range = self.pages_of(range)?;
        let (flags, fd) = look::<Device, K>(&range, source, offset, perms)?;
        let (false, Some(fd)) = (range.is_empty(), fd) else {
            return Ok(());
        };
        let new = Placed {
            prot: perms,
            flags,
            fd,
            offset,
        };
        Ok(self.space().put_in_place(range, new)?)
    }

    /// Changes what may be done with the pages of a range: `mprotect`. Where nothing is placed, that makes memory of no file.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{ProtFlags, Reservation};
    ///
    /// let heap = Reservation::new(1 << 40)?;
    /// heap.protect(0..1 << 16, ProtFlags::READ | ProtFlags::WRITE)?; // Commits it.
    /// heap.view(..)?.write_at(100, b"hello")?;
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// After an error from the kernel some of the pages may have changed, if different things are placed in the range.
    ///
    /// - `EACCES`: a file that is placed there is not open for that, or its driver forbids it.
    /// - `EFAULT`: the range was given up when something failed there before.
    /// - `EINVAL`: the range does not lie in the reservation or not on whole pages, or the permissions have unknown bits.
    /// - `ENOMEM`: commit limit, or `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html)
    pub fn protect(&self, range: impl RangeBounds<usize>, perms: ProtFlags) -> Result<(), Error> {
        let range = self.pages_of(range)?;
        check_permissions(&range, perms)?;
        Ok(self.space().protect(range, perms)?)
    }

    /// Takes away what is placed in a range, which is then inaccessible and costs nothing: one `mmap` with `MAP_FIXED` and
    /// `PROT_NONE`.
    ///
    /// The addresses stay reserved at every moment: it is no `munmap`.
    ///
    /// # Examples
    ///
    /// See [`Reservation`].
    ///
    /// # Errors
    ///
    /// The range is as it was.
    ///
    /// - `EFAULT`: the range was given up when something failed there before.
    /// - `EINVAL`: the range does not lie in the reservation, or not on whole pages.
    /// - `ENOMEM`: `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn decommit(&self, range: impl RangeBounds<usize>) -> Result<(), Error> {
        let range = self.pages_of(range)?;
        Ok(self.space().empty(range)?)
    }

    /// Makes the pages of a range fault, until something is placed there or they are decommitted: `madvise` with
    /// `MADV_GUARD_INSTALL`, else as [`decommit`](Self::decommit).
    ///
    /// What was in the pages is gone. Guards of up to 2 MiB cost no mapping of their own, so that thousands of them fit between
    /// stacks or heaps, and [`protect`](Self::protect) does not open them (since Linux 6.13; in files since 6.15). Elsewhere
    /// the pages are made inaccessible, and `protect` opens them.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{ProtFlags, Reservation};
    ///
    /// let stack = Reservation::new(1 << 20)?;
    /// stack.protect(.., ProtFlags::READ | ProtFlags::WRITE)?;
    /// stack.guard(..stack.page_size())?;
    /// assert!(stack.view(..)?.write_at(0, b"too far").is_err());
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`decommit`](Self::decommit); but after an error some of the pages may be guarded.
    ///
    /// # References
    ///
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    pub fn guard(&self, range: impl RangeBounds<usize>) -> Result<(), Error> {
        let range = self.pages_of(range)?;
        if range.len() <= GUARDED_BY_PAGE && self.space().guard(range.clone()).is_ok() {
            return Ok(());
        }
        Ok(self.space().empty(range)?)
    }

    /// Part of the reservation, to copy from and to.
    ///
    /// # Examples
    ///
    /// See [`Reservation`].
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range does not lie in the reservation.
    #[inline]
    pub fn view(&self, range: impl RangeBounds<usize>) -> Result<Window<'_>, Error> {
        Window::new(self).sub(range)
    }

    /// The bytes that a range names, if they are whole pages.
    fn pages_of(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>, Cause> {
        let refused = |reason, figures| Cause::refused(Operation::View, reason, figures);
        let range =
            resolve(range, self.len()).map_err(|figures| refused(Reason::OutOfRange, figures))?;
        let mask = self.page_size() - 1;
        if !range.is_empty() && (range.start | range.end) & mask != 0 {
            return Err(refused(Reason::NotWholePages, [range.start, range.end]));
        }
        Ok(range)
    }
}

/// Checks all that is to be checked of something that is to be placed; gives the flags and the descriptor.
fn look<'fd, B, K: Kind>(
    range: &Range<usize>,
    source: &Source<'fd, B>,
    offset: u64,
    perms: ProtFlags,
) -> Result<(MapFlags, Option<BorrowedFd<'fd>>), Cause> {
    let refused = |reason| Cause::refused(Operation::Mmap, reason, [range.len(), 0]);
    check_permissions(range, perms)?;
    let (fd, looked) = source.parts();
    // A huge page is placed whole, and would cover its neighbours.
    if looked.page_shift != page_shift() {
        return Err(refused(Reason::OtherPages));
    }
    if !offset.is_multiple_of(1 << page_shift()) {
        return Err(refused(Reason::Misplaced));
    }
    if offset
        .checked_add(range.len() as u64)
        .is_none_or(|end| end > looked.last)
    {
        return Err(refused(Reason::OffsetTooFar));
    }
    let kind = if K::SHARED {
        MapFlags::SHARED
    } else {
        MapFlags::PRIVATE
    };
    Ok((kind, fd))
}

/// Refuses permissions that nobody could remember.
fn check_permissions(range: &Range<usize>, perms: ProtFlags) -> Result<(), Cause> {
    if ASKABLE.contains(perms) {
        return Ok(());
    }
    Err(Cause::refused(
        Operation::Mmap,
        Reason::BadPermissions,
        [range.len(), 0],
    ))
}
