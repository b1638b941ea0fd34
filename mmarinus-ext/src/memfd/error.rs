//! Why a call on a file in memory failed, what to do about it, and what the call took.

use core::fmt;
use std::io;

use mmarinus::Errno;
use mmarinus_sys::SealFlags;
use rustix::fd::OwnedFd;

use super::file::Memfd;
use super::state::State;

/// Why a call on a [`Memfd`] failed, and what the call took: the file in its old state, or the descriptor that was to be
/// verified.
///
/// `Display` says which call failed, the errno, the likely cause on Linux, and what to do. The error converts by `?` into
/// `Error<()>`, and into [`io::Error`], which keeps the errno.
///
/// # Examples
///
/// ```
/// use std::os::fd::OwnedFd;
/// use mmarinus_ext::memfd::{Memfd, Sealed};
///
/// let file = std::fs::File::open("/etc/passwd")?;
/// let error = Memfd::<Sealed>::try_from(OwnedFd::from(file)).unwrap_err();
/// println!("{error}");
/// let file: OwnedFd = error.into_inner(); // Nothing is lost.
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Error<M = ()> {
    inner: M,
    cause: Box<Cause>,
}

/// What failed and why: all of an error but what it gives back.
#[derive(Debug)]
pub(super) struct Cause {
    step: Step,
    reason: Reason,
    errno: Errno,
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    SetLen,
    Stat,
    Duplicate,
    Look,
    Allocate,
    Seal,
    Punch,
    Write,
    Map,
}

/// Why it failed.
#[derive(Debug)]
enum Reason {
    /// The kernel said so; the errno tells more.
    Kernel,
    NotMemfd,
    Lacks(SealFlags),
    Has(SealFlags),
    NotReadable,
    NotWritable,
    Huge,
    /// `RLIMIT_FSIZE`, in bytes.
    Limit(u64),
    /// Bytes that are there, and bytes that there should be.
    Holes(u64, u64),
    /// Who is in the way, in words.
    Held(String),
    Map(mmarinus::Error),
}

impl Cause {
    pub(super) fn kernel(step: Step, errno: Errno) -> Self {
        let reason = Reason::Kernel;
        Self {
            step,
            reason,
            errno,
        }
    }

    pub(super) fn io(step: Step, error: &io::Error) -> Self {
        Self::kernel(step, Errno::from_io_error(error).unwrap_or(Errno::IO))
    }

    pub(super) fn errno(&self) -> Errno {
        self.errno
    }

    pub(super) fn not_a_memfd() -> Self {
        Self::refused(Reason::NotMemfd, Errno::INVAL)
    }

    pub(super) fn lacks(seals: SealFlags) -> Self {
        Self::refused(Reason::Lacks(seals), Errno::INVAL)
    }

    pub(super) fn has(seals: SealFlags) -> Self {
        Self::refused(Reason::Has(seals), Errno::INVAL)
    }

    pub(super) fn not_readable() -> Self {
        Self::refused(Reason::NotReadable, Errno::BADF)
    }

    pub(super) fn not_writable() -> Self {
        Self::refused(Reason::NotWritable, Errno::BADF)
    }

    pub(super) fn huge(step: Step) -> Self {
        let (reason, errno) = (Reason::Huge, Errno::OPNOTSUPP);
        Self {
            step,
            reason,
            errno,
        }
    }

    pub(super) fn limit(step: Step, limit: u64) -> Self {
        let (reason, errno) = (Reason::Limit(limit), Errno::FBIG);
        Self {
            step,
            reason,
            errno,
        }
    }

    pub(super) fn holes(there: u64, len: u64) -> Self {
        Self::refused(Reason::Holes(there, len), Errno::INVAL)
    }

    pub(super) fn held(holders: String) -> Self {
        let (step, reason, errno) = (Step::Seal, Reason::Held(holders), Errno::BUSY);
        Self {
            step,
            reason,
            errno,
        }
    }

    pub(super) fn map(error: mmarinus::Error) -> Self {
        let (step, errno) = (Step::Map, error.errno());
        let reason = Reason::Map(error);
        Self {
            step,
            reason,
            errno,
        }
    }

    fn refused(reason: Reason, errno: Errno) -> Self {
        let step = Step::Look;
        Self {
            step,
            reason,
            errno,
        }
    }
}

impl<M> Error<M> {
    #[cold]
    pub(super) fn new(cause: Cause, inner: M) -> Self {
        let cause = Box::new(cause);
        Self { inner, cause }
    }

    /// What the call took: the file as it was, or the descriptor.
    pub fn into_inner(self) -> M {
        self.inner
    }

    /// The errno: the kernel's, or the one that fits where the call was refused beforehand.
    #[must_use]
    pub fn errno(&self) -> Errno {
        self.cause.errno
    }

    /// The same error without what the call took, which is closed.
    #[must_use]
    pub fn without_inner(self) -> Error {
        let (inner, cause) = ((), self.cause);
        Error { inner, cause }
    }
}

impl From<Cause> for Error {
    #[cold]
    fn from(cause: Cause) -> Self {
        Self::new(cause, ())
    }
}

/// That a map of the file was refused.
impl From<mmarinus::Error> for Error {
    fn from(error: mmarinus::Error) -> Self {
        Cause::map(error).into()
    }
}

impl<S: State> From<Error<Memfd<S>>> for Error {
    fn from(error: Error<Memfd<S>>) -> Self {
        error.without_inner()
    }
}

impl From<Error<OwnedFd>> for Error {
    fn from(error: Error<OwnedFd>) -> Self {
        error.without_inner()
    }
}

impl<M> From<Error<M>> for io::Error {
    fn from(error: Error<M>) -> Self {
        Self::from(error.errno())
    }
}

impl<M> fmt::Display for Error<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cause {
            step,
            reason,
            errno,
        } = &*self.cause;
        if let Reason::Map(error) = reason {
            return write!(f, "{error}");
        }
        let words = step.words();
        write!(f, "{words} failed: {}: ", io::Error::from(*errno))?;
        match reason {
            Reason::Kernel => f.write_str(hint(*step, *errno)),
            Reason::NotMemfd => f.write_str("this is no memfd, which alone can be sealed; copy the bytes into one"),
            Reason::Lacks(seals) => write!(
                f,
                "the file lacks {}, so whoever has it could change it; it is for its maker to seal it",
                Seals(*seals)
            ),
            Reason::Has(seals) if seals.contains(SealFlags::SEAL) => f.write_str(
                "the file has F_SEAL_SEAL, as has every file that is no memfd or was made without MFD_ALLOW_SEALING, so it \
                 cannot be sealed any more",
            ),
            Reason::Has(seals) => write!(f, "the file is sealed already, by {}; take it as what it is", Seals(*seals)),
            Reason::NotReadable => f.write_str("the descriptor is not open for reading, so nothing can be mapped of it"),
            Reason::NotWritable => f.write_str(
                "the descriptor is not open for writing, so the file can be neither written nor sealed by it",
            ),
            Reason::Huge => f.write_str(
                "the file is in huge pages, and as long as it can be written somebody can punch a hole into it, where touching \
                 it without a free huge page is SIGBUS; leave it open and copy, or seal it wholly",
            ),
            Reason::Limit(limit) => write!(
                f,
                "no file may get longer than {limit} bytes here (RLIMIT_FSIZE), and to try ends a process by SIGXFSZ; raise \
                 ulimit -f, or ask for fewer bytes"
            ),
            Reason::Holes(there, len) => write!(
                f,
                "the file has holes: memory for {there} of its {len} bytes; it is for its maker to write them before it is sealed"
            ),
            Reason::Held(holders) if holders.is_empty() => f.write_str(
                "no map is seen that could write to the file, so the kernel works on its pages (a pipe, a buffer of io_uring), \
                 or a process whose maps we may not read has one; end that, or send a copy",
            ),
            Reason::Held(holders) => write!(f, "{holders}; unmap that first"),
            Reason::Map(_) => Ok(()),
        }
    }
}

impl Step {
    fn words(self) -> &'static str {
        match self {
            Self::Create => "making a file in memory (memfd_create)",
            Self::SetLen => "setting the length of a memfd (ftruncate)",
            Self::Stat => "looking at a memfd (fstat)",
            Self::Duplicate => "duplicating a descriptor (fcntl)",
            Self::Look => "verifying a memfd",
            Self::Allocate => "giving memory to the holes of a memfd (fallocate)",
            Self::Seal => "sealing a memfd (fcntl)",
            Self::Punch => "punching a hole into a memfd (fallocate)",
            Self::Write => "writing to a memfd (write)",
            Self::Map => "mapping a memfd (mmap)",
        }
    }
}

/// What an errno of a step usually means, and what to do.
fn hint(step: Step, errno: Errno) -> &'static str {
    match (step, errno) {
        (Step::Create, Errno::ACCESS) => {
            "vm.memfd_noexec is 2, which forbids files that can be executed; leave out `.executable()`"
        }
        (Step::Create, Errno::INVAL) => "a name has at most 249 bytes, and none that is 0",
        (Step::Create, Errno::NODEV) => {
            "the machine has no huge pages of this size; those that it has stand in /sys/kernel/mm/hugepages"
        }
        (Step::Create | Step::Duplicate, Errno::MFILE | Errno::NFILE) => {
            "too many files are open; close some, or raise ulimit -n"
        }
        (Step::SetLen, Errno::INVAL | Errno::FBIG) => "no file is that long; ask for fewer bytes",
        (Step::SetLen | Step::Punch, Errno::PERM) => "somebody else who has the file has sealed it",
        (Step::Punch, Errno::INVAL) => "a hole has at least one byte, and lies below 2^63",
        (Step::Look, Errno::BADF) => {
            "the descriptor was opened with O_PATH, by which a file can only be named"
        }
        (Step::Allocate, Errno::NOMEM | Errno::NOSPC) => {
            "memory ran out, or the commit limit (vm.overcommit_memory) or the pool of huge pages (/proc/sys/vm/nr_hugepages) is \
             used up; make the file smaller"
        }
        (Step::Seal, Errno::PERM) => {
            "somebody else who has the file forbade further seals (F_SEAL_SEAL), or the descriptor is not open for writing"
        }
        (Step::Seal, Errno::INVAL) => "the running kernel does not know this seal",
        (_, Errno::NOMEM) => "memory ran out",
        _ => "unexpected; the man page of the call tells more",
    }
}

/// Seals by their names.
struct Seals(SealFlags);

impl fmt::Display for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, _)) in self.0.iter_names().enumerate() {
            let between = if index == 0 { "" } else { " and " };
            write!(f, "{between}F_SEAL_{name}")?;
        }
        Ok(())
    }
}

impl<M> fmt::Debug for Error<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("errno", &self.errno())
            .field("message", &format_args!("{self}"))
            .finish()
    }
}

impl<M> core::error::Error for Error<M> {}
