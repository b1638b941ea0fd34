//! Which ranges a userfaultfd answers for, and waking threads that wait in them.
#![expect(
    unsafe_code,
    reason = "whoever registers a range decides what its pages hold"
)]

use core::ffi::c_void;

use bitflags::bitflags;
use linux_raw_sys::general as raw;
use rustix::fd::AsFd;
use rustix::ioctl::{Opcode, Updater, ioctl};

use super::{ior, iowr};
use crate::Result;

/// `UFFDIO_REGISTER`: the number of the ioctl of [`uffdio_register`], as a `seccomp` filter sees it.
pub const UFFDIO_REGISTER: u32 = iowr::<raw::uffdio_register>(raw::_UFFDIO_REGISTER);

/// `UFFDIO_UNREGISTER`: the number of the ioctl of [`uffdio_unregister`], as a `seccomp` filter sees it.
pub const UFFDIO_UNREGISTER: u32 = ior::<raw::uffdio_range>(raw::_UFFDIO_UNREGISTER);

/// `UFFDIO_WAKE`: the number of the ioctl of [`uffdio_wake`], as a `seccomp` filter sees it.
pub const UFFDIO_WAKE: u32 = ior::<raw::uffdio_range>(raw::_UFFDIO_WAKE);

bitflags! {
    /// `UFFDIO_REGISTER_MODE_*`: which faults of a range are events.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UffdRegisterMode: u64 {
        /// `UFFDIO_REGISTER_MODE_MISSING`: a touch of a page that is not there.
        const MISSING = raw::UFFDIO_REGISTER_MODE_MISSING as u64;
        /// `UFFDIO_REGISTER_MODE_WP`: a write to a page that is write-protected (since Linux 5.7; shared memory and huge page
        /// maps since 5.19; any file with `WP_ASYNC` since 6.7).
        const WP = raw::UFFDIO_REGISTER_MODE_WP as u64;
        /// `UFFDIO_REGISTER_MODE_MINOR`: a touch of a page that the object has but this map has not (huge page maps since
        /// Linux 5.13, shared memory since 5.14).
        const MINOR = raw::UFFDIO_REGISTER_MODE_MINOR as u64;
        const _ = !0;
    }
}

bitflags! {
    /// The ioctls that an fd or a range allows, one bit for the number of each.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UffdIoctls: u64 {
        /// `_UFFDIO_REGISTER`.
        const REGISTER = 1 << raw::_UFFDIO_REGISTER;
        /// `_UFFDIO_UNREGISTER`.
        const UNREGISTER = 1 << raw::_UFFDIO_UNREGISTER;
        /// `_UFFDIO_WAKE`.
        const WAKE = 1 << raw::_UFFDIO_WAKE;
        /// `_UFFDIO_COPY`.
        const COPY = 1 << raw::_UFFDIO_COPY;
        /// `_UFFDIO_ZEROPAGE`.
        const ZEROPAGE = 1 << raw::_UFFDIO_ZEROPAGE;
        /// `_UFFDIO_MOVE`.
        const MOVE = 1 << raw::_UFFDIO_MOVE;
        /// `_UFFDIO_WRITEPROTECT`.
        const WRITEPROTECT = 1 << raw::_UFFDIO_WRITEPROTECT;
        /// `_UFFDIO_CONTINUE`.
        const CONTINUE = 1 << raw::_UFFDIO_CONTINUE;
        /// `_UFFDIO_POISON`.
        const POISON = 1 << raw::_UFFDIO_POISON;
        /// `_UFFDIO_API`.
        const API = 1 << raw::_UFFDIO_API;
        const _ = !0;
    }
}

/// Makes the range that ioctls take; the address is exposed, since the kernel acts on it.
pub(super) fn range(addr: *mut c_void, len: usize) -> raw::uffdio_range {
    raw::uffdio_range {
        start: addr.expose_provenance() as u64,
        len: len as u64,
    }
}

/// `ioctl(uffd, UFFDIO_REGISTER, &register)`—Registers a range: its faults become events of the fd.
///
/// `addr` is page aligned; `len` is in bytes and a multiple of the page size. A thread that faults waits until the range is
/// woken. Returns the ioctls that the range allows.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, UffdFeatures, UffdIoctls, UffdRegisterMode, UserfaultfdFlags};
/// use mmarinus_sys::{mmap_anonymous, munmap, page_size, uffdio_api, uffdio_register, userfaultfd};
///
/// let Ok(uffd) = userfaultfd(UserfaultfdFlags::CLOEXEC) else {
///     return Ok(()); // no privilege
/// };
/// uffdio_api(&uffd, UffdFeatures::empty())?;
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// let ioctls = unsafe { uffdio_register(&uffd, addr.as_ptr(), len, UffdRegisterMode::MISSING)? };
/// assert!(ioctls.contains(UffdIoctls::COPY));
/// // SAFETY: as above.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EBUSY`: another userfaultfd has part of the range.
/// - `EINVAL`: nothing is mapped in the range; `addr` or `len` is not page aligned, or 0; the mode is unknown or not for this
///   kind of map (files of disks take `WP` with `WP_ASYNC` only; `memfd_secret` takes none, nor do droppable maps in newer
///   kernels); no handshake.
/// - `ENOMEM`: the process is exiting, or the change would need more mappings than `vm.max_map_count`.
/// - `EPERM`: the range is a shared map of a file that may not be written, as of a sealed memfd.
///
/// # Safety
///
/// In the process that made `uffd` the range must be [owned](crate#safety). From now on every touch of it may block, until
/// the holders of `uffd` resolve it, or raise `SIGBUS`, if the feature says so; then it must be [unborrowed](crate#safety), too.
/// Once the last copy of `uffd` is closed, missing pages are zeros.
///
/// # References
///
/// [UFFDIO_REGISTER(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_REGISTER.2const.html)
#[doc(alias = "UFFDIO_REGISTER")]
pub unsafe fn uffdio_register(
    uffd: impl AsFd,
    addr: *mut c_void,
    len: usize,
    mode: UffdRegisterMode,
) -> Result<UffdIoctls> {
    let mut register = raw::uffdio_register {
        range: range(addr, len),
        mode: mode.bits(),
        ioctls: 0,
    };
    // SAFETY: `UFFDIO_REGISTER` takes an `uffdio_register`.
    let update = unsafe { Updater::<{ UFFDIO_REGISTER as Opcode }, _>::new(&mut register) };
    // SAFETY: the caller owns the range.
    unsafe { ioctl(uffd, update)? };
    Ok(UffdIoctls::from_bits_retain(register.ioctls))
}

/// `ioctl(uffd, UFFDIO_UNREGISTER, &range)`—Gives a range back to the kernel, and wakes the threads that wait in it.
///
/// `addr` is page aligned; `len` is in bytes and a multiple of the page size. Missing pages are zeros from now on, and write
/// protection is lifted. Without this call the range is registered until the last copy of the fd is closed.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, UffdFeatures, UffdRegisterMode, UserfaultfdFlags};
/// use mmarinus_sys::{mmap_anonymous, munmap, page_size, uffdio_api, uffdio_register, uffdio_unregister, userfaultfd};
///
/// let Ok(uffd) = userfaultfd(UserfaultfdFlags::CLOEXEC) else {
///     return Ok(()); // no privilege
/// };
/// uffdio_api(&uffd, UffdFeatures::empty())?;
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { uffdio_register(&uffd, addr.as_ptr(), len, UffdRegisterMode::MISSING)? };
/// // SAFETY: as above.
/// unsafe { uffdio_unregister(&uffd, addr.as_ptr(), len)? };
/// // SAFETY: the page is mapped and readable, and the kernel makes it when it is touched.
/// assert_eq!(unsafe { addr.cast::<u8>().read() }, 0);
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: nothing is mapped in the range, it is registered with another userfaultfd (since Linux 6.17), or `addr` or
///   `len` is not page aligned, or 0; no handshake.
/// - `ENOMEM`: the process is exiting, or the change would need more mappings than `vm.max_map_count`.
///
/// # Safety
///
/// In the process that made `uffd` the range must be [owned](crate#safety). Pages that are still missing turn to zeros, or to
/// what the file holds: nobody may rely on other bytes to come.
///
/// # References
///
/// [UFFDIO_UNREGISTER(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_UNREGISTER.2const.html)
#[doc(alias = "UFFDIO_UNREGISTER")]
pub unsafe fn uffdio_unregister(uffd: impl AsFd, addr: *mut c_void, len: usize) -> Result<()> {
    let mut range = range(addr, len);
    // SAFETY: `UFFDIO_UNREGISTER` takes an `uffdio_range`.
    let update = unsafe { Updater::<{ UFFDIO_UNREGISTER as Opcode }, _>::new(&mut range) };
    // SAFETY: the caller owns the range.
    unsafe { ioctl(uffd, update) }
}

/// `ioctl(uffd, UFFDIO_WAKE, &range)`—Wakes the threads that wait in a range; what is still missing faults again.
///
/// `addr` is page aligned; `len` is in bytes and a multiple of the page size. Needed after ioctls with `DONTWAKE` only. A
/// range that is not registered is no error.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, UffdFeatures, UserfaultfdFlags, page_size, uffdio_api, uffdio_wake, userfaultfd};
///
/// let Ok(uffd) = userfaultfd(UserfaultfdFlags::CLOEXEC) else {
///     return Ok(()); // no privilege
/// };
/// uffdio_api(&uffd, UffdFeatures::empty())?;
/// let addr = core::ptr::without_provenance_mut(16 * page_size());
/// uffdio_wake(&uffd, addr, page_size())?;
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: `addr` or `len` is not page aligned, or 0, or not in user space; no handshake.
///
/// # References
///
/// [UFFDIO_WAKE(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_WAKE.2const.html)
#[doc(alias = "UFFDIO_WAKE")]
pub fn uffdio_wake(uffd: impl AsFd, addr: *mut c_void, len: usize) -> Result<()> {
    let mut range = range(addr, len);
    // SAFETY: `UFFDIO_WAKE` takes an `uffdio_range`.
    let update = unsafe { Updater::<{ UFFDIO_WAKE as Opcode }, _>::new(&mut range) };
    // SAFETY: a thread that is woken too early faults again; no memory changes.
    unsafe { ioctl(uffd, update) }
}
