//! Who brings the pages of a supplied map in: which are waited for, and the answers.
//!
//! There are no others than to bring in what is missing: none takes a page away, poisons or protects it.
#![expect(unsafe_code, reason = "brings pages of a map in, by ioctls")]

use core::fmt;
use core::ops::RangeBounds;
use std::sync::Arc;

use mmarinus_sys::{self as sys, Errno, UffdCopyMode, UffdZeropageMode};

use super::link::Link;
use crate::error::{Cause, Error, Operation, Reason};
use crate::range::resolve;

/// Brings in the pages of a map that was given away by [`Map::supply_pages`](crate::Map::supply_pages).
///
/// It can be cloned and sent to other threads, which then share the work. When the last one is dropped, missing pages are
/// zeros, and who waits for one goes on.
///
/// It does not keep the map: once that is dropped, [`next`](Self::next) says so, and all else is refused. A thread that
/// touches the map itself waits for itself.
///
/// In a forked child it is refused.
///
/// # Examples
///
/// See [the module](super).
#[derive(Clone)]
pub struct Supplier {
    answers: Arc<Answers>,
}

/// Lives as long as there is a supplier.
struct Answers(Arc<Link>);

impl Drop for Answers {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// A page that a thread waits for: what [`Supplier::next`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    pub(super) offset: usize,
    pub(super) thread: u32,
    pub(super) write: bool,
}

impl Missing {
    /// Where the page starts in the map, in bytes.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The id of the thread that waits.
    #[must_use]
    pub fn thread(&self) -> u32 {
        self.thread
    }

    /// Whether it is going to write.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.write
    }
}

impl Supplier {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            answers: Arc::new(Answers(link)),
        }
    }

    fn link(&self) -> &Link {
        &self.answers.0
    }

    /// The length in bytes of all pages of the map.
    #[must_use]
    pub fn len(&self) -> usize {
        self.link().pages().len
    }

    /// Whether the map has no page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of a page in bytes.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.link().pages().page_size
    }

    /// Waits until a thread waits for a page, and says for which; `None` once the map is gone. `poll` and `read`.
    ///
    /// Each wait of a thread is told once, to one supplier. The same page may be told again, for another thread.
    ///
    /// # Examples
    ///
    /// See [the module](super).
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: the kernel has no memory for the work.
    /// - `ESRCH`: in a forked child.
    ///
    /// # References
    ///
    /// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)
    pub fn next(&self) -> Result<Option<Missing>, Error> {
        Ok(self.link().wait()?)
    }

    /// Brings in missing pages with these bytes, and wakes who waits for them: `ioctl(UFFDIO_COPY)`.
    ///
    /// `offset` is that of a page in the map, and `bytes` are whole pages. Returns how many bytes were brought in: it stops at
    /// a page that is there already, which stays as it is; so that can be 0.
    ///
    /// # Examples
    ///
    /// See [the module](super).
    ///
    /// # Errors
    ///
    /// - `EDEADLK`: the bytes lie in the map itself.
    /// - `EFAULT`: the bytes lie in missing pages of another supplied map, without a privilege.
    /// - `EINVAL`: they do not lie in the map, or are no whole pages.
    /// - `ENOENT`: the map is gone.
    /// - `ENOMEM`: no memory for the pages.
    /// - `ESRCH`: in a forked child.
    ///
    /// # References
    ///
    /// [UFFDIO_COPY(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_COPY.2const.html)
    pub fn copy(&self, offset: usize, bytes: &[u8]) -> Result<usize, Error> {
        let (operation, pages) = (Operation::UffdCopy, self.link().pages());
        let figures = [bytes.len(), pages.address.wrapping_add(offset)];
        let refused = |reason| Err(Cause::refused(operation, reason, figures).into());
        if offset > pages.len || bytes.len() > pages.len - offset {
            return refused(Reason::OutOfRange);
        }
        if (offset | bytes.len()) & (pages.page_size - 1) != 0 {
            return refused(Reason::NotWholePages);
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let start = bytes.as_ptr().addr();
        if start < pages.address + pages.len && start + bytes.len() > pages.address {
            return refused(Reason::OwnPages);
        }
        self.answer(operation, figures, |uffd| {
            // SAFETY:
            // - The pages are the map's (`answer`), and what is missing of them was seen by nobody.
            // - The source is a slice.
            unsafe {
                sys::uffdio_copy(
                    uffd,
                    pages.at(offset),
                    bytes.as_ptr().cast(),
                    bytes.len(),
                    UffdCopyMode::empty(),
                )
            }
        })
    }

    /// Brings in missing pages of zeros, and wakes who waits for them: `ioctl(UFFDIO_ZEROPAGE)`. They take no memory until they
    /// are written.
    ///
    /// The range, in bytes of the map's pages, starts and ends where pages do. What is returned is as for [`copy`](Self::copy).
    ///
    /// # Errors
    ///
    /// As for [`copy`](Self::copy).
    ///
    /// # References
    ///
    /// [UFFDIO_ZEROPAGE(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_ZEROPAGE.2const.html)
    pub fn zero(&self, range: impl RangeBounds<usize>) -> Result<usize, Error> {
        let (operation, pages) = (Operation::UffdZero, self.link().pages());
        let range = resolve(range, pages.len)
            .map_err(|figures| Cause::refused(operation, Reason::OutOfRange, figures))?;
        let figures = [range.len(), pages.address + range.start];
        if (range.start | range.end) & (pages.page_size - 1) != 0 {
            return Err(Cause::refused(operation, Reason::NotWholePages, figures).into());
        }
        if range.is_empty() {
            return Ok(0);
        }
        self.answer(operation, figures, |uffd| {
            let mode = UffdZeropageMode::empty();
            // SAFETY: the pages are the map's (`answer`), and what is missing of them was seen by nobody.
            unsafe { sys::uffdio_zeropage(uffd, pages.at(range.start), range.len(), mode) }
        })
    }

    /// Makes a call that brings pages in, while they surely are the map's: the kernel itself fills missing pages of any
    /// userfaultfd's memory, so after the map's end the address could be another's.
    fn answer(
        &self,
        operation: Operation,
        figures: [usize; 2],
        mut call: impl FnMut(&rustix::fd::OwnedFd) -> Result<usize, Errno>,
    ) -> Result<usize, Error> {
        let alive = self.link().hold(operation, figures)?;
        loop {
            match call(alive.uffd()) {
                // The mappings were changing.
                Err(Errno::AGAIN) => core::hint::spin_loop(),
                // The first page is there.
                Err(Errno::EXIST) => return Ok(0),
                done => {
                    return done.map_err(|errno| Cause::kernel(operation, errno, figures).into());
                }
            }
        }
    }
}

impl fmt::Debug for Supplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supplier")
            .field("len", &self.len())
            .field("page_size", &self.page_size())
            .finish_non_exhaustive()
    }
}
