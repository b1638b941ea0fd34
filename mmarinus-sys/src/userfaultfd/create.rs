//! Making a userfaultfd, and the handshake that opens it for use.
#![expect(unsafe_code, reason = "ioctls and a call by number have no safe form")]

use bitflags::bitflags;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use super::{GROUP, UffdIoctls, iowr};
use crate::Result;
use crate::raw::syscall;

/// `UFFD_API`: the version of the interface, which [`uffdio_api`] asks for.
pub const UFFD_API: u64 = raw::UFFD_API as u64;

/// `UFFDIO_API`: the number of the ioctl of [`uffdio_api`], as a `seccomp` filter sees it.
pub const UFFDIO_API: u32 = iowr::<raw::uffdio_api>(raw::_UFFDIO_API);

/// `USERFAULTFD_IOC_NEW`: the number of the ioctl of [`userfaultfd_ioc_new`], as a `seccomp` filter sees it.
pub const USERFAULTFD_IOC_NEW: u32 = opcode::none(GROUP, 0) as u32;

bitflags! {
    /// The flags that [`userfaultfd`] and [`userfaultfd_ioc_new`] take.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UserfaultfdFlags: u32 {
        /// `O_CLOEXEC`: the fd is closed when another program is executed.
        const CLOEXEC = raw::O_CLOEXEC;
        /// `O_NONBLOCK`: reading events fails with `EAGAIN` where it would wait. `poll` works only with this flag.
        const NONBLOCK = raw::O_NONBLOCK;
        /// `UFFD_USER_MODE_ONLY`: faults of the kernel, in a `read(2)` into the range for one, are not handled but fail; needs
        /// no privilege (since Linux 5.11).
        const USER_MODE_ONLY = raw::UFFD_USER_MODE_ONLY;
        const _ = !0;
    }
}

bitflags! {
    /// `UFFD_FEATURE_*`: what a kernel can do, and what [`uffdio_api`] asks for.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UffdFeatures: u64 {
        /// `UFFD_FEATURE_PAGEFAULT_FLAG_WP`: write protection, and faults that say so (since Linux 5.7).
        const PAGEFAULT_FLAG_WP = raw::UFFD_FEATURE_PAGEFAULT_FLAG_WP as u64;
        /// `UFFD_FEATURE_EVENT_FORK`: a fork is an event that carries the child's userfaultfd; needs `CAP_SYS_PTRACE` (since
        /// Linux 4.11).
        const EVENT_FORK = raw::UFFD_FEATURE_EVENT_FORK as u64;
        /// `UFFD_FEATURE_EVENT_REMAP`: `mremap` of the range is an event (since Linux 4.11).
        const EVENT_REMAP = raw::UFFD_FEATURE_EVENT_REMAP as u64;
        /// `UFFD_FEATURE_EVENT_REMOVE`: `MADV_DONTNEED` and `MADV_REMOVE` on the range are events (since Linux 4.11).
        const EVENT_REMOVE = raw::UFFD_FEATURE_EVENT_REMOVE as u64;
        /// `UFFD_FEATURE_MISSING_HUGETLBFS`: missing pages of huge page maps (since Linux 4.11).
        const MISSING_HUGETLBFS = raw::UFFD_FEATURE_MISSING_HUGETLBFS as u64;
        /// `UFFD_FEATURE_MISSING_SHMEM`: missing pages of shared memory (since Linux 4.11).
        const MISSING_SHMEM = raw::UFFD_FEATURE_MISSING_SHMEM as u64;
        /// `UFFD_FEATURE_EVENT_UNMAP`: unmapping the range is an event (since Linux 4.11).
        const EVENT_UNMAP = raw::UFFD_FEATURE_EVENT_UNMAP as u64;
        /// `UFFD_FEATURE_SIGBUS`: a fault is no event but a `SIGBUS` in the thread that faults (since Linux 4.14).
        const SIGBUS = raw::UFFD_FEATURE_SIGBUS as u64;
        /// `UFFD_FEATURE_THREAD_ID`: fault events name the thread (since Linux 4.14).
        const THREAD_ID = raw::UFFD_FEATURE_THREAD_ID as u64;
        /// `UFFD_FEATURE_MINOR_HUGETLBFS`: minor faults of shared huge page maps (since Linux 5.13).
        const MINOR_HUGETLBFS = raw::UFFD_FEATURE_MINOR_HUGETLBFS as u64;
        /// `UFFD_FEATURE_MINOR_SHMEM`: minor faults of shared memory (since Linux 5.14).
        const MINOR_SHMEM = raw::UFFD_FEATURE_MINOR_SHMEM as u64;
        /// `UFFD_FEATURE_EXACT_ADDRESS`: fault events carry the very address, not that of its page (since Linux 5.18).
        const EXACT_ADDRESS = raw::UFFD_FEATURE_EXACT_ADDRESS as u64;
        /// `UFFD_FEATURE_WP_HUGETLBFS_SHMEM`: write protection of huge page maps and shared memory (since Linux 5.19).
        const WP_HUGETLBFS_SHMEM = raw::UFFD_FEATURE_WP_HUGETLBFS_SHMEM as u64;
        /// `UFFD_FEATURE_WP_UNPOPULATED`: write protection of anonymous pages that are not there yet (since Linux 6.4).
        const WP_UNPOPULATED = raw::UFFD_FEATURE_WP_UNPOPULATED as u64;
        /// `UFFD_FEATURE_POISON`: [`uffdio_poison`](crate::uffdio_poison) (since Linux 6.6).
        const POISON = raw::UFFD_FEATURE_POISON as u64;
        /// `UFFD_FEATURE_WP_ASYNC`: write faults are resolved by the kernel at once and only leave a trace, which
        /// [`pagemap_scan`](crate::pagemap_scan) reads (since Linux 6.7).
        const WP_ASYNC = raw::UFFD_FEATURE_WP_ASYNC as u64;
        /// `UFFD_FEATURE_MOVE`: [`uffdio_move`](crate::uffdio_move) (since Linux 6.8).
        const MOVE = raw::UFFD_FEATURE_MOVE as u64;
        const _ = !0;
    }
}

/// What a kernel answers to the handshake [`uffdio_api`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UffdInfo {
    /// All features that the kernel has, not only those that were asked for.
    pub features: UffdFeatures,
    /// The ioctls that work on the fd itself.
    pub ioctls: UffdIoctls,
}

/// `userfaultfd(flags)`—Makes a userfaultfd for the memory of this process.
///
/// Before anything else it needs the handshake, [`uffdio_api`].
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, UffdFeatures, UserfaultfdFlags, uffdio_api, userfaultfd};
///
/// match userfaultfd(UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::USER_MODE_ONLY) {
///     Ok(uffd) => println!("{:?}", uffdio_api(&uffd, UffdFeatures::empty())?.features),
///     Err(errno) => println!("not here: {errno}"),
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: a flag that the kernel does not know.
/// - `EMFILE`, `ENFILE`, `ENOMEM`: too many open files, or no memory.
/// - `ENOSYS`: the kernel is built without userfaultfd.
/// - `EPERM`: without `USER_MODE_ONLY`, and the process has no `CAP_SYS_PTRACE` while `vm.unprivileged_userfaultfd` is 0.
///
/// # References
///
/// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)
pub fn userfaultfd(flags: UserfaultfdFlags) -> Result<OwnedFd> {
    let flags = rustix::mm::UserfaultfdFlags::from_bits_retain(flags.bits());
    // SAFETY: a fresh userfaultfd acts on no memory; the ioctls that let it are unsafe themselves.
    unsafe { rustix::mm::userfaultfd(flags) }
}

/// `ioctl(device, USERFAULTFD_IOC_NEW, flags)`—Makes a userfaultfd by the device `/dev/userfaultfd` (since Linux 6.1).
///
/// The permissions of the device file decide who may do so; no capability is asked for.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{UserfaultfdFlags, userfaultfd_ioc_new};
///
/// if let Ok(device) = std::fs::File::open("/dev/userfaultfd") {
///     // SAFETY: this is the device.
///     let uffd = unsafe { userfaultfd_ioc_new(&device, UserfaultfdFlags::CLOEXEC)? };
///     println!("{uffd:?}");
/// }
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: a flag that the kernel does not know.
/// - `EMFILE`, `ENFILE`, `ENOMEM`: too many open files, or no memory.
/// - `ENOTTY`: `device` is not `/dev/userfaultfd`.
///
/// # Safety
///
/// `device` must be `/dev/userfaultfd`: what another file answers, one of a FUSE server for one, could be the number of an fd
/// that somebody else owns.
///
/// # References
///
/// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)
#[doc(alias = "USERFAULTFD_IOC_NEW")]
#[doc(alias = "USERFAULTFD_IOC")]
pub unsafe fn userfaultfd_ioc_new(device: impl AsFd, flags: UserfaultfdFlags) -> Result<OwnedFd> {
    let device = device.as_fd();
    let args = [
        device.as_raw_fd() as usize,
        USERFAULTFD_IOC_NEW as usize,
        flags.bits() as usize,
        0,
        0,
        0,
    ];
    // SAFETY:
    // - The argument is a plain number, so the kernel touches no memory of ours.
    // - A fresh userfaultfd acts on no memory; the ioctls that let it are unsafe themselves.
    let fd = unsafe { syscall(raw::__NR_ioctl as _, args)? };
    // SAFETY: the caller says that this is the device, so the kernel has just made this fd for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// `ioctl(uffd, UFFDIO_API, &api)`—The handshake: asks for features, and learns what the kernel has.
///
/// It works once on an fd, and before it nothing else does. To learn the features without asking for any, hand in an empty
/// set to a second userfaultfd and close that.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, UffdFeatures, UserfaultfdFlags, uffdio_api, userfaultfd};
///
/// let Ok(uffd) = userfaultfd(UserfaultfdFlags::CLOEXEC) else {
///     return Ok(()); // no privilege
/// };
/// let info = uffdio_api(&uffd, UffdFeatures::THREAD_ID)?;
/// assert!(info.features.contains(UffdFeatures::THREAD_ID));
/// assert_eq!(uffdio_api(&uffd, UffdFeatures::empty()), Err(Errno::INVAL));
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: a feature that the kernel lacks, `WP_ASYNC` without what it needs, or a second handshake.
/// - `EPERM`: `EVENT_FORK` without `CAP_SYS_PTRACE`.
/// - `ENOTTY`: `uffd` is not a userfaultfd.
///
/// # References
///
/// [UFFDIO_API(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_API.2const.html)
#[doc(alias = "UFFDIO_API")]
#[doc(alias = "UFFD_API")]
pub fn uffdio_api(uffd: impl AsFd, features: UffdFeatures) -> Result<UffdInfo> {
    let mut api = raw::uffdio_api {
        api: UFFD_API,
        features: features.bits(),
        ioctls: 0,
    };
    // SAFETY: `UFFDIO_API` takes an `uffdio_api`.
    let update = unsafe { Updater::<{ UFFDIO_API as Opcode }, _>::new(&mut api) };
    // SAFETY: the kernel reads and writes the struct, and acts on no other memory.
    unsafe { ioctl(uffd, update)? };
    let features = UffdFeatures::from_bits_retain(api.features);
    Ok(UffdInfo {
        features,
        ioctls: UffdIoctls::from_bits_retain(api.ioctls),
    })
}
