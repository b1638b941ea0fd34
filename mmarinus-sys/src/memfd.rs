//! Files that live in memory: making them, sealing them, and the space in them.
#![expect(unsafe_code, reason = "memfd_secret is called by number")]

use core::ffi::CStr;

use bitflags::bitflags;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, OwnedFd};

use crate::Result;

bitflags! {
    /// `MFD_*` as [`memfd_create`] takes them.
    ///
    /// The size of huge pages is not here but comes from [`HugePage::memfd_flags`](crate::HugePage::memfd_flags). Bits that the
    /// kernel does not know are refused by it with `EINVAL`; unknown bits are passed through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MemfdFlags: u32 {
        /// `MFD_CLOEXEC`: the fd is closed by `execve`.
        const CLOEXEC = raw::MFD_CLOEXEC;
        /// `MFD_ALLOW_SEALING`: seals can be added.
        const ALLOW_SEALING = raw::MFD_ALLOW_SEALING;
        /// `MFD_HUGETLB`: of huge pages (since Linux 4.14); for their size see
        /// [`HugePage::memfd_flags`](crate::HugePage::memfd_flags).
        const HUGETLB = raw::MFD_HUGETLB;
        /// `MFD_NOEXEC_SEAL`: cannot be executed as a program, and never will; lets seals be added (since Linux 6.3).
        const NOEXEC_SEAL = raw::MFD_NOEXEC_SEAL;
        /// `MFD_EXEC`: can be executed as a program (since Linux 6.3).
        const EXEC = raw::MFD_EXEC;
        const _ = !0;
    }
}

bitflags! {
    /// The flags of [`memfd_secret`].
    ///
    /// Bits that the kernel does not know are refused by it with `EINVAL`; unknown bits are passed through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MemfdSecretFlags: u32 {
        /// `O_CLOEXEC`: the fd is closed by `execve`.
        const CLOEXEC = raw::O_CLOEXEC;
        const _ = !0;
    }
}

bitflags! {
    /// `F_SEAL_*`: what can no longer be done to a file, by anybody.
    ///
    /// Bits that the kernel does not know are refused by it with `EINVAL`; unknown bits are passed through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct SealFlags: u32 {
        /// `F_SEAL_SEAL`: no further seal is added.
        const SEAL = raw::F_SEAL_SEAL;
        /// `F_SEAL_SHRINK`: the file does not get shorter. A hole can still be punched into it.
        const SHRINK = raw::F_SEAL_SHRINK;
        /// `F_SEAL_GROW`: the file does not get longer.
        const GROW = raw::F_SEAL_GROW;
        /// `F_SEAL_WRITE`: the bytes do not change.
        const WRITE = raw::F_SEAL_WRITE;
        /// `F_SEAL_FUTURE_WRITE`: no new way to change the bytes is given; maps that are writable now stay so (since Linux
        /// 5.1).
        const FUTURE_WRITE = raw::F_SEAL_FUTURE_WRITE;
        /// `F_SEAL_EXEC`: the permission to be executed does not change; on a file that has it, `SHRINK`, `GROW`, `WRITE` and
        /// `FUTURE_WRITE` come with it (since Linux 6.3).
        const EXEC = raw::F_SEAL_EXEC;
        const _ = !0;
    }
}

bitflags! {
    /// `FALLOC_FL_*` as [`fallocate`] takes them; without any, the range is given room and the file grows to its end.
    ///
    /// Bits that the kernel or the file system does not know are refused with `EOPNOTSUPP`; unknown bits are passed through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct FallocateFlags: u32 {
        /// `FALLOC_FL_KEEP_SIZE`: the file does not grow.
        const KEEP_SIZE = raw::FALLOC_FL_KEEP_SIZE;
        /// `FALLOC_FL_PUNCH_HOLE`: the range becomes zeros and gives its room back; with `KEEP_SIZE`.
        const PUNCH_HOLE = raw::FALLOC_FL_PUNCH_HOLE;
        /// `FALLOC_FL_NO_HIDE_STALE`: reserved; every file system refuses it.
        const NO_HIDE_STALE = raw::FALLOC_FL_NO_HIDE_STALE;
        /// `FALLOC_FL_COLLAPSE_RANGE`: takes the range out of the file (ext4, XFS; since Linux 3.15).
        const COLLAPSE_RANGE = raw::FALLOC_FL_COLLAPSE_RANGE;
        /// `FALLOC_FL_ZERO_RANGE`: the range becomes zeros and keeps its room (not tmpfs; since Linux 3.15).
        const ZERO_RANGE = raw::FALLOC_FL_ZERO_RANGE;
        /// `FALLOC_FL_INSERT_RANGE`: pushes zeros into the file (ext4, XFS; since Linux 4.1).
        const INSERT_RANGE = raw::FALLOC_FL_INSERT_RANGE;
        /// `FALLOC_FL_UNSHARE_RANGE`: gives the range room that it shares with no other file (XFS; since Linux 4.8).
        const UNSHARE_RANGE = raw::FALLOC_FL_UNSHARE_RANGE;
        /// `FALLOC_FL_WRITE_ZEROES`: the range becomes zeros that are written to the disk (since Linux 6.17).
        const WRITE_ZEROES = raw::FALLOC_FL_WRITE_ZEROES;
        const _ = !0;
    }
}

/// `memfd_create(name, flags)`—Makes an empty file that lives in memory.
///
/// The name shows in `/proc/PID/maps` and `/proc/PID/fd`; it need not be unique. The file ends with the last fd and map of it.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
///
/// let fd = memfd_create(c"table", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
/// fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW)?;
/// assert_eq!(fcntl_get_seals(&fd)?, SealFlags::SHRINK | SealFlags::GROW);
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EACCES`: `EXEC` where `vm.memfd_noexec` is 2.
/// - `EINVAL`: the name has more than 249 bytes; a flag that the kernel does not know; `EXEC` with `NOEXEC_SEAL`; a size of
///   huge pages without `HUGETLB`.
/// - `EMFILE`, `ENFILE`: too many open files, of the process or of the system.
/// - `ENODEV`: huge pages of a size that the machine lacks.
/// - `ENOMEM`: no memory.
///
/// # References
///
/// [memfd_create(2)](https://man7.org/linux/man-pages/man2/memfd_create.2.html)
#[inline]
pub fn memfd_create(name: &CStr, flags: MemfdFlags) -> Result<OwnedFd> {
    rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::from_bits_retain(flags.bits()))
}

/// `memfd_secret(flags)`—Makes an empty file in memory that not even the kernel looks at.
///
/// Since Linux 5.14, and without a boot option since 6.5; aarch64, loongarch64, riscv, s390x and x86. It can be mapped shared
/// only, is always locked in memory, is given its size once, and cannot be read or written as a file. `process_vm_readv`,
/// `/proc/PID/mem`, core dumps and debuggers do not reach its pages. While one exists, the machine does not hibernate.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MemfdSecretFlags, memfd_secret};
///
/// match memfd_secret(MemfdSecretFlags::CLOEXEC) {
///     Ok(_fd) => println!("a place for keys"),
///     Err(error) => assert_eq!(error, Errno::NOSYS),
/// }
/// ```
///
/// # Errors
///
/// - `EINVAL`: a flag that the kernel does not know.
/// - `EMFILE`, `ENFILE`: too many open files, of the process or of the system.
/// - `ENOMEM`: no memory.
/// - `ENOSYS`: the kernel is older, was built or booted without it, or the architecture lacks it.
///
/// # References
///
/// [memfd_secret(2)](https://man7.org/linux/man-pages/man2/memfd_secret.2.html)
#[cfg(any(
    target_arch = "aarch64",
    target_arch = "loongarch64",
    target_arch = "riscv32",
    target_arch = "riscv64",
    target_arch = "s390x",
    target_arch = "x86",
    target_arch = "x86_64",
))]
#[inline]
pub fn memfd_secret(flags: MemfdSecretFlags) -> Result<OwnedFd> {
    use core::ffi::c_long;
    use rustix::fd::FromRawFd;

    // The number of all architectures, where linux-raw-sys has none.
    #[cfg(target_arch = "loongarch64")]
    const NUMBER: c_long = 447;
    #[cfg(not(target_arch = "loongarch64"))]
    const NUMBER: c_long = raw::__NR_memfd_secret as c_long;

    let args = [flags.bits() as usize, 0, 0, 0, 0, 0];
    // SAFETY: the call makes a file, and takes no address.
    let fd = unsafe { crate::raw::syscall(NUMBER, args)? };
    // SAFETY: the kernel has just opened this fd for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// `memfd_secret(flags)`—Refuses with `ENOSYS`: this architecture has no such call.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MemfdSecretFlags, memfd_secret};
///
/// assert_eq!(memfd_secret(MemfdSecretFlags::CLOEXEC).err(), Some(Errno::NOSYS));
/// ```
///
/// # Errors
///
/// - `ENOSYS`: always.
///
/// # References
///
/// [memfd_secret(2)](https://man7.org/linux/man-pages/man2/memfd_secret.2.html)
#[cfg(not(any(
    target_arch = "aarch64",
    target_arch = "loongarch64",
    target_arch = "riscv32",
    target_arch = "riscv64",
    target_arch = "s390x",
    target_arch = "x86",
    target_arch = "x86_64",
)))]
#[inline]
pub fn memfd_secret(_: MemfdSecretFlags) -> Result<OwnedFd> {
    Err(crate::Errno::NOSYS)
}

/// `fcntl(fd, F_ADD_SEALS, seals)`—Adds seals to a file; there is no way back.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};
///
/// let fd = memfd_create(c"of one size", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
/// fcntl_add_seals(&fd, SealFlags::GROW | SealFlags::SEAL)?;
/// assert_eq!(fallocate(&fd, Default::default(), 0, 1), Err(Errno::PERM));
/// assert_eq!(fcntl_add_seals(&fd, SealFlags::SHRINK), Err(Errno::PERM));
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EBADF`: `fd` is not open.
/// - `EBUSY`: `WRITE` while a shared map may write the file, or could be made to, or while the kernel works on its pages
///   (pipes, io_uring buffers).
/// - `EINVAL`: the file has no seals (ext4, `memfd_secret`); a seal that the kernel does not know.
/// - `EPERM`: `fd` is not writable; the file has the seal `SEAL`, which every memfd made without `ALLOW_SEALING` has.
///
/// # References
///
/// [F_ADD_SEALS(2const)](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html)
#[doc(alias = "F_ADD_SEALS")]
#[inline]
pub fn fcntl_add_seals(fd: impl AsFd, seals: SealFlags) -> Result<()> {
    rustix::fs::fcntl_add_seals(fd, rustix::fs::SealFlags::from_bits_retain(seals.bits()))
}

/// `fcntl(fd, F_GET_SEALS)`—Returns the seals of a file.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MemfdFlags, SealFlags, fcntl_get_seals, memfd_create};
///
/// let fd = memfd_create(c"not to be sealed", MemfdFlags::CLOEXEC)?;
/// assert_eq!(fcntl_get_seals(&fd)?, SealFlags::SEAL);
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EBADF`: `fd` is not open.
/// - `EINVAL`: the file has no seals (ext4, `memfd_secret`).
///
/// # References
///
/// [F_GET_SEALS(2const)](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html)
#[doc(alias = "F_GET_SEALS")]
#[inline]
pub fn fcntl_get_seals(fd: impl AsFd) -> Result<SealFlags> {
    let seals = rustix::fs::fcntl_get_seals(fd)?;
    Ok(SealFlags::from_bits_retain(seals.bits()))
}

/// `fallocate(fd, flags, offset, len)`—Gives a range of a file room, or takes it away.
///
/// `offset` and `len` are in bytes; `PUNCH_HOLE` and `ZERO_RANGE` clear parts of blocks at the ends by writing zeros.
///
/// Pages of a private map that were written before keep their bytes; all other pages of maps of the file change with it.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{FallocateFlags, MemfdFlags, fallocate, memfd_create};
///
/// let fd = memfd_create(c"sparse", MemfdFlags::CLOEXEC)?;
/// fallocate(&fd, FallocateFlags::empty(), 0, 1 << 20)?;
/// fallocate(&fd, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, 1 << 16)?;
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EBADF`: `fd` is not open for writing.
/// - `EFBIG`: the file would be larger than a file can be.
/// - `EINTR`: a signal arrived.
/// - `EINVAL`: `len` is 0; `offset` or `len` is 2^63 or more.
/// - `ENODEV`: `fd` is not a regular file. A pipe is `ESPIPE`.
/// - `ENOSPC`: no room.
/// - `EOPNOTSUPP`: the file system does not do this; `PUNCH_HOLE` without `KEEP_SIZE`.
/// - `EPERM`: a seal of the file forbids it.
///
/// # References
///
/// [fallocate(2)](https://man7.org/linux/man-pages/man2/fallocate.2.html)
#[doc(alias = "punch_hole")]
#[inline]
pub fn fallocate(fd: impl AsFd, flags: FallocateFlags, offset: u64, len: u64) -> Result<()> {
    let flags = rustix::fs::FallocateFlags::from_bits_retain(flags.bits());
    rustix::fs::fallocate(fd, flags, offset, len)
}
