//! How a file in memory is made: its pages, and whether it can be executed.

use std::ffi::CString;

use mmarinus::{Errno, HugePage};
use mmarinus_sys::{MemfdFlags, Support, memfd_create};
use rustix::fs::{Mode, fchmod};

use super::error::{Cause, Error, Step};
use super::file::Memfd;
use super::state::Open;

/// How a [`Memfd`] is made, where the defaults of [`Memfd::create`] do not serve.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use std::process::Command;
/// use mmarinus_ext::memfd::Options;
///
/// let mut program = Options::new().executable().create("program", 0)?;
/// program.write_all(&std::fs::read("/bin/true")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    huge: Option<HugePage>,
    exec: Exec,
}

/// Whether the file can be executed as a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Exec {
    #[default]
    Never,
    Allowed,
}

impl Options {
    /// The defaults: ordinary pages, not executable.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            huge: None,
            exec: Exec::Never,
        }
    }

    /// In huge pages of this size: `MFD_HUGETLB`.
    ///
    /// They come from the pool of `/proc/sys/vm/nr_hugepages` when the file is sealed or first touched. Such a file is written by
    /// maps only, not by `write`, and its size alone cannot be sealed: [`Open`] and [`Sealed`](super::Sealed) are its states.
    #[must_use]
    pub const fn huge_pages(self, size: HugePage) -> Self {
        Self {
            huge: Some(size),
            exec: self.exec,
        }
    }

    /// Can be executed as a program, by `/proc/self/fd`: `MFD_EXEC`.
    ///
    /// Without this word it cannot, and never will: `MFD_NOEXEC_SEAL`, since Linux 6.3. Before, it only lacks the
    /// permission, which whoever has the file can give back. Neither has a say in maps: `PROT_EXEC` is possible on both.
    #[must_use]
    pub const fn executable(self) -> Self {
        Self {
            huge: self.huge,
            exec: Exec::Allowed,
        }
    }

    /// Makes a file of `len` zeros: `memfd_create`, and `ftruncate`. In huge pages the length is rounded up to whole ones.
    ///
    /// # Errors
    ///
    /// - `EACCES`: it is to be executable, and `vm.memfd_noexec` is 2.
    /// - `EINVAL`: the name has more than 249 bytes, or one that is 0; longer than a file can be.
    /// - `EFBIG`: longer than `RLIMIT_FSIZE` allows.
    /// - `EMFILE`, `ENFILE`: too many open files.
    /// - `ENODEV`: huge pages of a size that the machine lacks.
    /// - `ENOMEM`: memory ran out.
    ///
    /// # References
    ///
    /// [memfd_create(2)](https://man7.org/linux/man-pages/man2/memfd_create.2.html)
    pub fn create(self, name: &str, len: u64) -> Result<Memfd<Open>, Error> {
        let refused = |errno| Error::from(Cause::kernel(Step::Create, errno));
        let name = CString::new(name).map_err(|_| refused(Errno::INVAL))?;
        // The two names of the policy came with the same kernel.
        let is_new = Support::memfd_noexec_seal();
        let policy = match self.exec {
            Exec::Never if is_new => MemfdFlags::NOEXEC_SEAL,
            Exec::Allowed if is_new => MemfdFlags::EXEC,
            _ => MemfdFlags::empty(),
        };
        let pages = self.huge.map_or(MemfdFlags::empty(), HugePage::memfd_flags);
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | policy | pages;
        let fd = memfd_create(&name, flags).map_err(refused)?;
        if self.exec == Exec::Never && !is_new {
            fchmod(&fd, Mode::RUSR | Mode::WUSR).map_err(refused)?;
        }
        let memfd = Memfd::<Open>::of(fd).map_err(Error::without_inner)?;
        if len != 0 {
            memfd.set_len(len)?;
        }
        Ok(memfd)
    }
}
