//! The secret itself: how it is made, opened and wiped.

use core::fmt;
use core::mem::ManuallyDrop;

use mmarinus::backing::{self, Anonymous};
use mmarinus::{Advice, Errno, Map, Private, Shared, perms};
use rustix::process::{Pid, getpid};
use zeroize::Zeroize;

use super::error::Error;
use super::guard::{Reading, Writing};
use super::pages::Pages;

/// As many secret bytes as were asked for, inaccessible but for the life of a guard, and wiped when dropped
/// ([how, and where not](super#what-is-left-of-it)).
///
/// See [the module](super). It takes whole pages, and what is locked in memory counts: `RLIMIT_MEMLOCK`. So many small keys
/// better share one.
///
/// # Examples
///
/// ```
/// use mmarinus_ext::secret::{Error, Secret};
///
/// let mut key = Secret::new(32)?;
/// key.write()?.fill(7); // In place: read a file or call `getrandom` into it.
/// assert_eq!(key.read()?[..], [7; 32]);
/// # Ok::<(), Error>(())
/// ```
pub struct Secret {
    /// Of the process that made it; where a forked child has a copy of this, nothing or something else is mapped there.
    memory: ManuallyDrop<Memory>,
    len: usize,
    process: Pid,
}

/// The pages of a secret, of one of the two kinds.
enum Memory {
    /// The kernel does not see them.
    Hidden(Pages<Shared, backing::Secret>),
    /// They are locked, not dumped and not inherited.
    Locked(Pages<Private, Anonymous>),
}

impl Secret {
    /// Makes a secret of `len` zeros: of `memfd_secret` where the kernel has it (since Linux 5.14, if `secretmem.enable` is not
    /// 0), else as [`locked`](Self::locked).
    ///
    /// [`is_hidden`](Self::is_hidden) tells which.
    ///
    /// # Examples
    ///
    /// See [`Secret`].
    ///
    /// # Errors
    ///
    /// [`Error::Map`]:
    ///
    /// - `EAGAIN`: `RLIMIT_MEMLOCK`.
    /// - `EFBIG`: to the kernel that is a file, and `RLIMIT_FSIZE` allows none of this size.
    /// - `EMFILE`, `ENFILE`: too many open files.
    /// - `ENOMEM`: more than `isize::MAX` bytes, no room, `RLIMIT_MEMLOCK`, or `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [memfd_secret(2)](https://man7.org/linux/man-pages/man2/memfd_secret.2.html)
    pub fn new(len: usize) -> Result<Self, Error> {
        match Map::bytes(len).guarded().secret().with(perms::ReadWrite) {
            Ok(map) => {
                let mut pages = Pages::Writable(map);
                pages.close()?;
                Ok(Self::of(Memory::Hidden(pages), len))
            }
            // It lacks it, or a sandbox forbids it.
            Err(error) if [Errno::NOSYS, Errno::PERM].contains(&error.errno()) => Self::locked(len),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a secret of `len` zeros in private memory that is locked, in no core dump, and in no child: `mlock`, and `madvise`
    /// with `MADV_DONTDUMP` and `MADV_DONTFORK`.
    ///
    /// For machines that must be able to hibernate, which no machine does that has memory of `memfd_secret`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus_ext::secret::{Error, Secret};
    ///
    /// let mut key = Secret::locked(32)?;
    /// key.write()?[0] = 7;
    /// assert!(!key.is_hidden());
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Map`]:
    ///
    /// - `EAGAIN`, `ENOMEM`, `EPERM`: `RLIMIT_MEMLOCK`, no memory, more than `isize::MAX` bytes, or `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mlock(2)](https://man7.org/linux/man-pages/man2/mlock.2.html),
    /// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html)
    pub fn locked(len: usize) -> Result<Self, Error> {
        let map = Map::bytes(len)
            .anonymously()
            .guarded()
            .dont_fork()
            .with(perms::ReadWrite)?;
        map.advise(.., Advice::DONTDUMP)?;
        map.lock(..)?;
        let mut pages = Pages::Writable(map);
        pages.close()?;
        Ok(Self::of(Memory::Locked(pages), len))
    }

    /// A secret of this process.
    fn of(memory: Memory, len: usize) -> Self {
        Self {
            memory: ManuallyDrop::new(memory),
            len,
            process: getpid(),
        }
    }

    /// Whether this is the process that has the pages.
    fn check_process(&self) -> Result<(), Error> {
        match self.process == getpid() {
            true => Ok(()),
            false => Err(Error::Forked),
        }
    }

    /// Makes a secret of some bytes, and wipes them where they were.
    ///
    /// # Examples
    ///
    /// See [the module](super).
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new). The bytes stay where they were.
    pub fn take(bytes: &mut [u8]) -> Result<Self, Error> {
        let mut secret = Self::new(bytes.len())?;
        let mut inside = secret.write()?;
        inside.copy_from_slice(bytes);
        inside.close()?;
        bytes.zeroize();
        Ok(secret)
    }

    /// The number of bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether not even the kernel sees it: memory of `memfd_secret`.
    #[inline]
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        matches!(*self.memory, Memory::Hidden(_))
    }

    /// Makes the bytes readable for the life of the guard: `mprotect`.
    ///
    /// # Examples
    ///
    /// See [`Secret`].
    ///
    /// # Errors
    ///
    /// - [`Error::Map`] with `ENOMEM` or `EPERM`: the kernel has no memory for that, or a sandbox forbids it. The secret is
    ///   there.
    /// - [`Error::Gone`]: an earlier change failed half way.
    /// - [`Error::Forked`]: this is a forked child, and the secret is its parent's.
    ///
    /// # References
    ///
    /// [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html)
    pub fn read(&mut self) -> Result<Reading<'_>, Error> {
        self.check_process()?;
        match &mut *self.memory {
            Memory::Hidden(pages) => pages.open()?,
            Memory::Locked(pages) => pages.open()?,
        }
        Ok(Reading::of(self))
    }

    /// Makes the bytes readable and writable for the life of the guard: `mprotect`.
    ///
    /// # Examples
    ///
    /// See [`Secret`].
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    ///
    /// # References
    ///
    /// [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html)
    pub fn write(&mut self) -> Result<Writing<'_>, Error> {
        self.check_process()?;
        match &mut *self.memory {
            Memory::Hidden(pages) => pages.open_to_write()?,
            Memory::Locked(pages) => pages.open_to_write()?,
        }
        Ok(Writing::of(self))
    }

    /// Makes the bytes inaccessible.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        self.check_process()?;
        match &mut *self.memory {
            Memory::Hidden(pages) => pages.close(),
            Memory::Locked(pages) => pages.close(),
        }
    }

    /// The bytes, while a guard lives.
    pub(super) fn bytes(&self) -> &[u8] {
        match &*self.memory {
            Memory::Hidden(pages) => pages.bytes(),
            Memory::Locked(pages) => pages.bytes(),
        }
    }

    /// The bytes, while a guard to write lives.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut *self.memory {
            Memory::Hidden(pages) => pages.bytes_mut(),
            Memory::Locked(pages) => pages.bytes_mut(),
        }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        if self.check_process().is_err() {
            // What is mapped there now is somebody else's.
            return;
        }
        // What cannot be is said in the docs of the module; nobody could be told here.
        let _ = match &mut *self.memory {
            // The kernel clears these when they are unmapped, in any case.
            Memory::Hidden(pages) => pages.wipe(),
            Memory::Locked(pages) => pages.wipe().or_else(|_| pages.empty()),
        };
        // This unmaps them.
        match &mut *self.memory {
            Memory::Hidden(pages) => *pages = Pages::Gone,
            Memory::Locked(pages) => *pages = Pages::Gone,
        }
    }
}

/// Never the bytes.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("len", &self.len)
            .field("is_hidden", &self.is_hidden())
            .finish_non_exhaustive()
    }
}
