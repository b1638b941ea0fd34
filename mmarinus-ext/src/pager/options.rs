//! How the pages of a map are made: how many at once, and what may be done with them.

use mmarinus::perms::{Permissions, Readable};

use super::error::Error;
use super::paged::Paged;
use super::steps::Steps;
use super::supplied::Supplied;

/// How the pages of a map are made, where [`supplied`](super::supplied) and [`paged`](super::paged) do not serve.
///
/// # Examples
///
/// ```
/// use mmarinus::perms;
/// use mmarinus_ext::pager::Options;
///
/// let options = Options::new().step(1 << 20);
/// let made = options.supplied(64 << 20, perms::ReadWrite, |offset, bytes| {
///     bytes.fill((offset >> 20) as u8) // 1 MiB at a time.
/// });
/// let Ok(mut map) = made else {
///     return; // forbidden here
/// };
/// map.as_mut_slice()[5 << 20] += 10;
/// assert_eq!(map[5 << 20..][..2], [15, 5]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    step: usize,
}

impl Options {
    /// The defaults: a page at a time.
    #[must_use]
    pub const fn new() -> Self {
        Self { step: 0 }
    }

    /// Makes so many bytes at a time, rounded up to whole pages, around the page that is touched. 0 means a page.
    ///
    /// The map is cut into steps from its start; all of a step is made by one call of the closure. That is the way to read ahead,
    /// and to make blocks that are not made by halves, as those of a compressed file. A buffer of that size is kept.
    ///
    /// Where pages are larger than the step, steps are pages: the closure goes by the offset and the length that it is given.
    #[must_use]
    pub const fn step(self, bytes: usize) -> Self {
        Self { step: bytes }
    }

    /// Makes a map of `len` bytes whose pages a closure makes that cannot fail: `userfaultfd`.
    ///
    /// Two threads serve it, until it is dropped: one waits for faults, the other runs the closure.
    ///
    /// # Examples
    ///
    /// See [`Options`].
    ///
    /// # Errors
    ///
    /// [`Error::Map`]:
    ///
    /// - `EMFILE`, `ENFILE`: too many open files; it takes two.
    /// - `ENOMEM`: more than `isize::MAX` bytes, no room, no memory for the buffer of a step, or `vm.max_map_count`.
    /// - `ENOSYS`: the kernel is built without userfaultfd.
    /// - `EPERM`: no privilege, and the kernel is older than Linux 5.11; or seccomp forbids it.
    ///
    /// [`Error::Thread`]: no thread could be started: `RLIMIT_NPROC`, a cgroup, or no memory.
    ///
    /// # References
    ///
    /// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html),
    /// [UFFDIO_COPY(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_COPY.2const.html)
    pub fn supplied<P: Permissions>(
        self,
        len: usize,
        perms: P,
        make: impl FnMut(usize, &mut [u8]) + Send + 'static,
    ) -> Result<Supplied<P>, Error> {
        Supplied::new(Steps::of(len, self.step), perms, make)
    }

    /// Makes a map of `len` bytes whose pages a closure makes that can fail: `userfaultfd` with `UFFD_FEATURE_SIGBUS`.
    ///
    /// No thread serves it: who copies from or to it calls the closure, one at a time.
    ///
    /// # Examples
    ///
    /// See [`Paged`].
    ///
    /// # Errors
    ///
    /// [`Error::Map`]: as for [`supplied`](Self::supplied), but that it takes one descriptor.
    ///
    /// # References
    ///
    /// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html),
    /// [UFFDIO_COPY(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_COPY.2const.html)
    pub fn paged<E, P: Readable>(
        self,
        len: usize,
        perms: P,
        make: impl FnMut(usize, &mut [u8]) -> Result<(), E> + Send + 'static,
    ) -> Result<Paged<E, P>, Error> {
        Paged::new(Steps::of(len, self.step), perms, Box::new(make))
    }
}
