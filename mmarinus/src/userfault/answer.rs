//! Answering faults: bringing pages in, protecting them, and waking who waits.
//!
//! All take the map, not an address: the kernel fills missing pages of memory that any userfaultfd of the process answers
//! for, and so also those of a tracked map, of which slices may exist. A borrowed map proves that the pages are still its own,
//! and that nobody has slices of them.
#![expect(unsafe_code, reason = "brings pages of maps in, by ioctls")]

use core::ffi::c_void;
use core::ops::RangeBounds;

use mmarinus_sys::{
    self as sys, Errno, UffdContinueMode, UffdCopyMode, UffdMoveMode, UffdPoisonMode,
    UffdWriteprotectMode, UffdZeropageMode,
};

use super::Userfault;
use crate::backing::{Anonymous, Backing, Paged};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::{Kind, Private};
use crate::map::Map;
use crate::perms::Permissions;

/// Whole pages of a map.
#[derive(Clone, Copy, Debug)]
struct Pages {
    start: *mut c_void,
    len: usize,
}

impl Pages {
    fn figures(self) -> [usize; 2] {
        [self.len, self.start.addr()]
    }

    /// The pages that a range of bytes names, which starts and ends where pages do, or where the map does.
    fn of<P: Permissions, K: Kind, B: Backing<K>>(
        map: &Map<P, K, B>,
        range: impl RangeBounds<usize>,
        operation: Operation,
    ) -> Result<Self, Cause> {
        let range = map.bytes_of(range)?;
        let mask = map.page_size() - 1;
        let end = match range.end == map.len() {
            true => (range.end + mask) & !mask,
            false => range.end,
        };
        // The address of the map is that of a page, or the map starts in one and ends in it.
        if (map.addr() | range.start | end) & mask != 0 && !range.is_empty() {
            let figures = [range.len(), map.addr() + range.start];
            return Err(Cause::refused(operation, Reason::NotWholePages, figures));
        }
        let len = if range.is_empty() {
            0
        } else {
            end - range.start
        };
        let start = map.as_mut_ptr().wrapping_add(range.start).cast();
        Ok(Self { start, len })
    }
}

/// Asks the kernel until it does not say that the mappings were changing.
fn ask<T>(
    operation: Operation,
    pages: Pages,
    mut call: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Error> {
    loop {
        match call() {
            Err(Errno::AGAIN) => core::hint::spin_loop(),
            done => {
                return done
                    .map_err(|errno| Cause::kernel(operation, errno, pages.figures()).into());
            }
        }
    }
}

impl Userfault {
    /// Brings in missing pages with these bytes, and wakes who waits for them: `ioctl(UFFDIO_COPY)`.
    ///
    /// `offset` is that of a page in the map, and `bytes` are whole pages. Returns how many bytes were brought in: it stops at
    /// a page that is there already.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the first page is there already.
    /// - `EINVAL`: the bytes do not lie in the map, or are no whole pages.
    /// - `ENOENT`: no userfaultfd answers for these pages: the map was moved since [`page_by`](Map::page_by).
    /// - `ENOMEM`, `ENOSPC`: no memory for the pages.
    /// - `ESRCH`: in a forked child.
    ///
    /// # References
    ///
    /// [UFFDIO_COPY(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_COPY.2const.html)
    pub fn copy<P: Permissions, K: Kind>(
        &self,
        map: &Map<P, K, Paged>,
        offset: usize,
        bytes: &[u8],
    ) -> Result<usize, Error> {
        let operation = Operation::UffdCopy;
        let (address, len) = map.pages();
        let figures = [bytes.len(), address.wrapping_add(offset)];
        if offset > len || bytes.len() > len - offset {
            return Err(Cause::refused(operation, Reason::OutOfRange, figures).into());
        }
        if (map.addr() | offset | bytes.len()) & (map.page_size() - 1) != 0 {
            return Err(Cause::refused(operation, Reason::NotWholePages, figures).into());
        }
        self.check(operation, figures)?;
        let pages = Pages {
            start: map.as_mut_ptr().wrapping_add(offset).cast(),
            len: bytes.len(),
        };
        if bytes.is_empty() {
            return Ok(0);
        }
        ask(operation, pages, || {
            let mode = UffdCopyMode::empty();
            // SAFETY:
            // - The pages are the map's, which lives; it is `Paged`, so nobody counts on its bytes.
            // - The source is a slice.
            unsafe {
                sys::uffdio_copy(
                    &self.fd,
                    pages.start,
                    bytes.as_ptr().cast(),
                    pages.len,
                    mode,
                )
            }
        })
    }

    /// Brings in missing pages of zeros, and wakes who waits for them: `ioctl(UFFDIO_ZEROPAGE)`. Not huge ones.
    ///
    /// The range starts and ends where pages do, or where the map does. Returns how many bytes were brought in: it stops at
    /// a page that is there already.
    ///
    /// # Errors
    ///
    /// As for [`copy`](Self::copy); `EINVAL` also for huge pages.
    ///
    /// # References
    ///
    /// [UFFDIO_ZEROPAGE(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_ZEROPAGE.2const.html)
    pub fn zero<P: Permissions, K: Kind>(
        &self,
        map: &Map<P, K, Paged>,
        range: impl RangeBounds<usize>,
    ) -> Result<usize, Error> {
        self.each(map, range, Operation::UffdZero, |pages| {
            // SAFETY: the pages are the map's, which lives; it is `Paged`, so nobody counts on its bytes.
            unsafe {
                sys::uffdio_zeropage(&self.fd, pages.start, pages.len, UffdZeropageMode::empty())
            }
        })
    }

    /// Maps pages that the memory file has, and wakes who waits for them: `ioctl(UFFDIO_CONTINUE)`, the answer to minor
    /// faults, since Linux 5.13.
    ///
    /// The range is as for [`zero`](Self::zero), and so is what is returned.
    ///
    /// # Errors
    ///
    /// As for [`copy`](Self::copy); `EFAULT` if the file does not have the first page.
    ///
    /// # References
    ///
    /// [UFFDIO_CONTINUE(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_CONTINUE.2const.html)
    pub fn resume<P: Permissions, K: Kind>(
        &self,
        map: &Map<P, K, Paged>,
        range: impl RangeBounds<usize>,
    ) -> Result<usize, Error> {
        self.each(map, range, Operation::UffdContinue, |pages| {
            // SAFETY: the pages are the map's, which lives; it is `Paged`, so nobody counts on its bytes.
            unsafe {
                sys::uffdio_continue(&self.fd, pages.start, pages.len, UffdContinueMode::empty())
            }
        })
    }

    /// Poisons missing pages, and wakes who waits for them: copies of them fail with `EFAULT`. `ioctl(UFFDIO_POISON)`,
    /// since Linux 6.6.
    ///
    /// The range is as for [`zero`](Self::zero), and so is what is returned. `discard` takes the poison away.
    ///
    /// # Errors
    ///
    /// As for [`copy`](Self::copy); `EINVAL` also before Linux 6.6.
    ///
    /// # References
    ///
    /// [UFFDIO_POISON(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_POISON.2const.html)
    pub fn poison<P: Permissions, K: Kind>(
        &self,
        map: &Map<P, K, Paged>,
        range: impl RangeBounds<usize>,
    ) -> Result<usize, Error> {
        self.each(map, range, Operation::UffdPoison, |pages| {
            // SAFETY: the pages are the map's, which lives; it is `Paged`, so no reference to its bytes exists, and copies are
            // checked.
            unsafe { sys::uffdio_poison(&self.fd, pages.start, pages.len, UffdPoisonMode::empty()) }
        })
    }

    /// Protects pages that are there: writes to them wait. `ioctl(UFFDIO_WRITEPROTECT)`, since Linux 5.7, with the mode `WP`.
    ///
    /// The range is as for [`zero`](Self::zero).
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range does not lie in the map, or not on whole pages.
    /// - `ENOENT`: the map was handed over without the mode `WP`, or moved since.
    /// - `ESRCH`: in a forked child.
    ///
    /// # References
    ///
    /// [UFFDIO_WRITEPROTECT(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_WRITEPROTECT.2const.html)
    pub fn protect<P: Permissions, K: Kind>(
        &self,
        map: &Map<P, K, Paged>,
        range: impl RangeBounds<usize>,
    ) -> Result<(), Error> {
        self.write_protect(map, range, UffdWriteprotectMode::WP)
    }

    /// Takes the protection of pages away, and wakes who waits to write them: `ioctl(UFFDIO_WRITEPROTECT)`.
    ///
    /// # Errors
    ///
    /// As for [`protect`](Self::protect).
    pub fn unprotect<P: Permissions, K: Kind>(
        &self,
        map: &Map<P, K, Paged>,
        range: impl RangeBounds<usize>,
    ) -> Result<(), Error> {
        self.write_protect(map, range, UffdWriteprotectMode::empty())
    }

    fn write_protect<P: Permissions, K: Kind>(
        &self,
        map: &Map<P, K, Paged>,
        range: impl RangeBounds<usize>,
        mode: UffdWriteprotectMode,
    ) -> Result<(), Error> {
        self.each(map, range, Operation::UffdProtect, |pages| {
            // SAFETY: the pages are the map's, which lives; it is `Paged`, so writes may wait.
            unsafe { sys::uffdio_writeprotect(&self.fd, pages.start, pages.len, mode) }.map(|()| 0)
        })
        .map(|_| ())
    }

    /// Wakes who waits for pages of a range, to try again: `ioctl(UFFDIO_WAKE)`.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range does not lie in the map, or not on whole pages.
    /// - `ESRCH`: in a forked child.
    ///
    /// # References
    ///
    /// [UFFDIO_WAKE(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_WAKE.2const.html)
    pub fn wake<P: Permissions, K: Kind>(
        &self,
        map: &Map<P, K, Paged>,
        range: impl RangeBounds<usize>,
    ) -> Result<(), Error> {
        self.each(map, range, Operation::UffdWake, |pages| {
            sys::uffdio_wake(&self.fd, pages.start, pages.len).map(|()| 0)
        })
        .map(|_| ())
    }

    /// Moves pages of another map into missing places, without a copy, and wakes who waits for them: `ioctl(UFFDIO_MOVE)`,
    /// since Linux 6.8.
    ///
    /// `offset` is that of a page in `map`, whose memory is anonymous; the range of `from` is whole pages, and is zeros
    /// afterwards. Both maps have the same permissions. Returns how many bytes were moved: it stops at a page that is there in
    /// the one or missing in the other.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the first page is shared with a forked child, or pinned.
    /// - `EEXIST`: the first page is there already.
    /// - `EINVAL`: a range does not lie in its map, or is no whole pages; the maps have other permissions or locks; the target is
    ///   of a file, or pages are huge; before Linux 6.8.
    /// - `ENOENT`: the first page of `from` was never written; or no userfaultfd answers for the target.
    /// - `ESRCH`: in a forked child.
    ///
    /// # References
    ///
    /// [UFFDIO_MOVE(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_MOVE.2const.html)
    pub fn move_pages<P: Permissions, Q: Permissions>(
        &self,
        map: &Map<P, Private, Paged>,
        offset: usize,
        from: &mut Map<Q, Private, Anonymous>,
        range: impl RangeBounds<usize>,
    ) -> Result<usize, Error> {
        let operation = Operation::UffdMove;
        let source = Pages::of(from, range, operation)?;
        let (address, len) = map.pages();
        let figures = [source.len, address.wrapping_add(offset)];
        if offset > len || source.len > len - offset {
            return Err(Cause::refused(operation, Reason::OutOfRange, figures).into());
        }
        if (map.addr() | offset) & (map.page_size() - 1) != 0 {
            return Err(Cause::refused(operation, Reason::NotWholePages, figures).into());
        }
        if map.page_size() != from.page_size() {
            return Err(Cause::refused(operation, Reason::OtherPages, figures).into());
        }
        self.check(operation, figures)?;
        if source.len == 0 {
            return Ok(0);
        }
        let target = Pages {
            start: map.as_mut_ptr().wrapping_add(offset).cast(),
            len: source.len,
        };
        ask(operation, target, || {
            // SAFETY:
            // - The target is the map's, which lives; it is `Paged`, so nobody counts on its bytes.
            // - The source is borrowed mutably, and zeros are what anonymous memory may hold.
            unsafe {
                sys::uffdio_move(
                    &self.fd,
                    target.start,
                    source.start,
                    target.len,
                    UffdMoveMode::empty(),
                )
            }
        })
    }

    /// Makes a call about pages of a map.
    fn each<P: Permissions, K: Kind>(
        &self,
        map: &Map<P, K, Paged>,
        range: impl RangeBounds<usize>,
        operation: Operation,
        call: impl Fn(Pages) -> Result<usize, Errno>,
    ) -> Result<usize, Error> {
        let pages = Pages::of(map, range, operation)?;
        self.check(operation, pages.figures())?;
        if pages.len == 0 {
            return Ok(0);
        }
        ask(operation, pages, || call(pages))
    }
}
