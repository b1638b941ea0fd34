//! How a buffer commits memory: in which steps, at once or as it is touched, in which pages.

use super::buffer::{Buffer, Element};
use super::error::Error;
use super::space::Space;

/// The most that a step adds where no step was asked for: 64 MiB.
const LARGEST: usize = 64 << 20;

/// The least that a step adds where no step was asked for: 64 KiB.
const SMALLEST: usize = 64 << 10;

/// How a [`Buffer`] commits memory, where the defaults of [`Buffer::new`] do not serve.
///
/// # Examples
///
/// ```
/// use mmarinus_ext::grow::Options;
///
/// let mut buffer = Options::new().step(1 << 20).prefault().create::<u64>(1 << 30)?;
/// buffer.push(7)?;
/// assert_eq!(buffer.capacity(), (1 << 20) / 8); // All of it is in memory.
/// # Ok::<(), mmarinus_ext::grow::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    step: Option<usize>,
    pages: Pages,
    touch: Touch,
}

/// In which pages memory comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pages {
    #[default]
    Ordinary,
    Huge,
}

/// When pages are brought in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Touch {
    #[default]
    Later,
    AtOnce,
}

impl Options {
    /// The defaults: growing steps, from 64 KiB up to 64 MiB; ordinary pages; each brought in when it is touched.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            step: None,
            pages: Pages::Ordinary,
            touch: Touch::Later,
        }
    }

    /// Commits so many bytes at a time, rounded up to whole pages, or as many times that as it takes. 0 means a page.
    ///
    /// Without this word a step is as large as what is committed already, but at least 64 KiB and at most 64 MiB; where there
    /// is no memory for that, only what is needed is committed.
    #[must_use]
    pub const fn step(self, bytes: usize) -> Self {
        Self {
            step: Some(bytes),
            ..self
        }
    }

    /// Brings every page in when it is committed: `MADV_POPULATE_WRITE`. Then no page fault is left for the first write, and
    /// memory that cannot be had is an `Err` of the call that grows. Before Linux 5.14 the pages are written instead.
    #[must_use]
    pub const fn prefault(self) -> Self {
        Self {
            touch: Touch::AtOnce,
            ..self
        }
    }

    /// Asks for transparent huge pages: `MADV_HUGEPAGE`. The buffer then lies, and grows, in units of those (2 MiB with pages of
    /// 4 KiB). Where the kernel is built without them, growing is an `Err`.
    #[must_use]
    pub const fn huge_pages(self) -> Self {
        Self {
            pages: Pages::Huge,
            ..self
        }
    }

    /// Makes an empty buffer with addresses for `limit` elements: `mmap` with `PROT_NONE`.
    ///
    /// # Errors
    ///
    /// [`Error::Map`] with `ENOMEM`: more than `isize::MAX` bytes, or no room: address space, `RLIMIT_AS`, `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn create<T: Element>(self, limit: usize) -> Result<Buffer<T>, Error> {
        // More than there can be is refused as such.
        let len = limit.saturating_mul(size_of::<T>());
        Ok(Buffer::of(Space::new(len, self)?, limit))
    }

    /// In which pages memory comes.
    pub(super) fn pages(self) -> Pages {
        self.pages
    }

    /// When pages are brought in.
    pub(super) fn touch(self) -> Touch {
        self.touch
    }

    /// The size in bytes that all parts are multiples of.
    pub(super) fn unit(self) -> usize {
        let page = mmarinus_sys::page_size();
        match self.pages {
            Pages::Ordinary => page,
            // What one table of entries of 8 bytes maps; with pages of 64 KiB, which come in smaller groups too, less.
            Pages::Huge => (page * (page / 8)).min(32 << 20),
        }
    }

    /// How many bytes to commit, where `have` are and `need` are needed: what is best, and what is enough.
    pub(super) fn aim(self, have: usize, need: usize) -> [usize; 2] {
        let unit = self.unit();
        let up = |len: usize, step: usize| len.checked_next_multiple_of(step).unwrap_or(usize::MAX);
        match self.step {
            Some(step) => [up(need, up(step.max(1), unit)); 2],
            None => {
                let step = have.clamp(SMALLEST, LARGEST);
                [
                    up(need.max(have.saturating_add(step)), unit),
                    up(need, unit),
                ]
            }
        }
    }
}
