//! The file itself: its owner, and what is known of it in each state.

use core::marker::PhantomData;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mmarinus::{Errno, HugePage};

use super::error::{Cause, Error, Step};
use super::limit::check;
use super::options::Options;
use super::state::{Fixed, Open, State};
use super::verify::{look, stat};

/// A file in memory, sealed as `S` says.
///
/// The file ends with the last descriptor and map of it, in whatever process. A `Memfd` is one descriptor; a map that was made
/// of it lives on without it.
///
/// # Examples
///
/// See [the module](crate::memfd).
#[derive(Debug)]
pub struct Memfd<S: State = Open> {
    /// Its seals include those of `S`.
    file: memfd::Memfd,
    /// The length in bytes when it was looked at; true for ever where `S` is `Fixed`.
    len: u64,
    huge: Option<HugePage>,
    state: PhantomData<S>,
}

impl Memfd<Open> {
    /// Makes a file of `len` zeros: `memfd_create`. It is closed by `execve`, can be sealed, and can not be executed.
    ///
    /// The name shows in `/proc/PID/maps` and `/proc/PID/fd`, and need not be unique. [`Options`] has more: huge pages, and
    /// files that can be executed.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Shared, perms};
    /// use mmarinus_ext::memfd::Memfd;
    ///
    /// let frame = Memfd::create("frame", 1920 * 1080 * 4)?;
    /// let mut pixels = frame.map()?.with_kind(Shared).with(perms::ReadWrite)?;
    /// pixels.write_at(0, &[0xff; 4])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Options::create`].
    ///
    /// # References
    ///
    /// [memfd_create(2)](https://man7.org/linux/man-pages/man2/memfd_create.2.html)
    pub fn create(name: &str, len: u64) -> Result<Self, Error> {
        Options::new().create(name, len)
    }

    /// The length in bytes at this moment: `fstat`. Others who have the file may change it at any time.
    ///
    /// # Errors
    ///
    /// What `fstat` says: that a filter of system calls forbids it.
    pub fn len(&self) -> Result<u64, Error> {
        match self.as_file().metadata() {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) => Err(Cause::io(Step::Stat, &error).into()),
        }
    }

    /// Makes the file longer, by zeros, or shorter: `ftruncate`. In huge pages the length is rounded up to whole ones.
    ///
    /// # Errors
    ///
    /// - `EFBIG`: longer than `RLIMIT_FSIZE` allows.
    /// - `EINVAL`: longer than a file can be.
    /// - `EPERM`: somebody else who has the file has sealed it.
    ///
    /// # References
    ///
    /// [ftruncate(2)](https://man7.org/linux/man-pages/man2/ftruncate.2.html)
    pub fn set_len(&self, len: u64) -> Result<(), Error> {
        let len = match self.huge_bytes() {
            None => Some(len),
            Some(page) => len.checked_next_multiple_of(page),
        };
        let len = len.unwrap_or(u64::MAX);
        check(Step::SetLen, 0, len)?;
        let set = rustix::fs::ftruncate(self, len);
        set.map_err(|errno| Cause::kernel(Step::SetLen, errno).into())
    }
}

impl<S: Fixed> Memfd<S> {
    /// The length in bytes, for ever.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<S: State> Memfd<S> {
    /// The size of its huge pages; `None` if it is in ordinary ones.
    #[must_use]
    pub fn huge_pages(&self) -> Option<HugePage> {
        self.huge
    }

    /// A second descriptor of the same file: `fcntl` with `F_DUPFD_CLOEXEC`. Both share one position for [`Read`](std::io::Read).
    ///
    /// # Errors
    ///
    /// - `EMFILE`: too many open files.
    ///
    /// # References
    ///
    /// [F_DUPFD(2const)](https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html)
    pub fn try_clone(&self) -> Result<Self, Error> {
        let clone = dup(self).map_err(|errno| Cause::kernel(Step::Duplicate, errno))?;
        Self::of(clone).map_err(Error::without_inner)
    }

    /// What tells the file from all others that are open or mapped somewhere: the kernel's numbers of it.
    #[allow(
        clippy::unnecessary_cast,
        reason = "the types of the fields differ between architectures"
    )]
    pub(crate) fn identity(&self) -> Result<[u64; 2], Error> {
        let stat = stat(self)?;
        Ok([stat.st_dev as u64, stat.st_ino as u64])
    }

    /// The file, for the calls of std.
    pub(super) fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// The same, for the calls of the crate `memfd`.
    pub(super) fn sealing(&self) -> &memfd::Memfd {
        &self.file
    }

    /// The size of its huge pages in bytes.
    pub(super) fn huge_bytes(&self) -> Option<u64> {
        self.huge.and_then(HugePage::bytes)
    }

    /// The same file in another state, in which it was seen to be.
    pub(super) fn with_state<T: State>(self, len: u64, huge: Option<HugePage>) -> Memfd<T> {
        let (file, state) = (self.file, PhantomData);
        Memfd {
            file,
            len,
            huge,
            state,
        }
    }

    /// Takes a descriptor for what it claims to be, if it is.
    pub(super) fn of(fd: OwnedFd) -> Result<Self, Error<OwnedFd>> {
        // Behind 0, 1 and 2 other safe code may put another file, so no map is made of them.
        let fd = match rustix::fd::AsRawFd::as_raw_fd(&fd) {
            0..=2 => match dup(&fd) {
                Ok(above) => above,
                Err(errno) => return Err(Error::new(Cause::kernel(Step::Duplicate, errno), fd)),
            },
            _ => fd,
        };
        let (len, huge) = match look::<S>(fd.as_fd()) {
            Ok(looked) => looked,
            Err(cause) => return Err(Error::new(cause, fd)),
        };
        match memfd::Memfd::try_from_file(fd.into()) {
            Ok(file) => Ok(Self {
                file,
                len,
                huge,
                state: PhantomData,
            }),
            Err(file) => Err(Error::new(Cause::not_a_memfd(), file.into())),
        }
    }
}

/// A duplicate above the standard descriptors.
fn dup(fd: impl AsFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(|errno| match errno {
        // What the kernel says where the limit forbids all numbers that we take.
        Errno::INVAL => Errno::MFILE,
        errno => errno,
    })
}

/// Takes a descriptor, from another process say, for what it claims to be, once that is verified; else the descriptor comes back.
///
/// Verified is, on the very file:
///
/// - that it is a memfd, in ordinary pages or, for [`Open`] and [`Sealed`](super::Sealed), in huge ones;
/// - that it has the seals of the state; and for `Open` that it has none, and can be sealed;
/// - that the descriptor can be read, and for `Open` also written;
/// - for `Sealed`: that it has no holes. Whoever sends a file with holes has spent no memory on them, and reading them would
///   spend ours; so that is an error. (What only looks like memory, since it lies past the end, is spent again, once.)
///
/// The pages of a `Sealed` file are read once, which takes the longer the longer the file is: who wants to bound that asks for
/// the length (`fstat`) first.
///
/// A file that is only of a fixed size may have holes, a terabyte of them for nothing: what is touched of a map takes memory,
/// also by reading. So look at the length, and touch no more than was agreed on.
///
/// More seals do no harm: a fully sealed file is also one of a fixed size, where writing is an error.
///
/// The position of the descriptor, which the sender shares, is neither used nor moved. The check itself cannot be stalled by
/// the sender; but closing a descriptor of a file system in user space can be, whatever was sent.
///
/// # Errors
///
/// The descriptor comes back in the error.
///
/// - `EINVAL`: no memfd; a seal is missing, or one too many is there; there are holes.
/// - `EBADF`: the descriptor was opened with `O_PATH`, or not for reading, or not for writing.
/// - `EOPNOTSUPP`: huge pages behind [`SizeSealed`](super::SizeSealed) and [`Broadcast`](super::Broadcast): whoever has the file
///   can punch holes, and touching a hole when no huge page is free is SIGBUS.
/// - `EFAULT`, `ENOMEM`: memory ran out.
impl<S: State> TryFrom<OwnedFd> for Memfd<S> {
    type Error = Error<OwnedFd>;

    fn try_from(fd: OwnedFd) -> Result<Self, Error<OwnedFd>> {
        Self::of(fd)
    }
}

/// As for [`OwnedFd`], of which this is one.
impl<S: State> TryFrom<File> for Memfd<S> {
    type Error = Error<OwnedFd>;

    fn try_from(file: File) -> Result<Self, Error<OwnedFd>> {
        Self::of(file.into())
    }
}

impl<S: State> AsFd for Memfd<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_file().as_fd()
    }
}

impl<S: State> From<Memfd<S>> for OwnedFd {
    fn from(memfd: Memfd<S>) -> Self {
        memfd.file.into_file().into()
    }
}

impl<S: State> From<Memfd<S>> for File {
    fn from(memfd: Memfd<S>) -> Self {
        memfd.file.into_file()
    }
}
