//! Resolving faults: giving a page its bytes, its protection or its poison.
//!
//! # Partial completion
//!
//! A call over several pages can stop half way. Then it returns how many bytes it did, which is less than was asked for, as
//! `write(2)` does; a second call for the rest gives the reason if it persists. An error means that nothing was done. Of
//! `UFFDIO_WRITEPROTECT` alone the kernel does not say how far it came.
#![expect(unsafe_code, reason = "these ioctls decide what pages hold")]

use core::ffi::c_void;

use bitflags::bitflags;
use linux_raw_sys::general as raw;
use rustix::fd::AsFd;
use rustix::ioctl::{Opcode, Updater, ioctl};

use super::iowr;
use super::register::range;
use crate::Result;

/// `UFFDIO_COPY`: the number of the ioctl of [`uffdio_copy`], as a `seccomp` filter sees it.
pub const UFFDIO_COPY: u32 = iowr::<raw::uffdio_copy>(raw::_UFFDIO_COPY);

/// `UFFDIO_ZEROPAGE`: the number of the ioctl of [`uffdio_zeropage`], as a `seccomp` filter sees it.
pub const UFFDIO_ZEROPAGE: u32 = iowr::<raw::uffdio_zeropage>(raw::_UFFDIO_ZEROPAGE);

/// `UFFDIO_MOVE`: the number of the ioctl of [`uffdio_move`], as a `seccomp` filter sees it.
pub const UFFDIO_MOVE: u32 = iowr::<raw::uffdio_move>(raw::_UFFDIO_MOVE);

/// `UFFDIO_WRITEPROTECT`: the number of the ioctl of [`uffdio_writeprotect`], as a `seccomp` filter sees it.
pub const UFFDIO_WRITEPROTECT: u32 = iowr::<raw::uffdio_writeprotect>(raw::_UFFDIO_WRITEPROTECT);

/// `UFFDIO_CONTINUE`: the number of the ioctl of [`uffdio_continue`], as a `seccomp` filter sees it.
pub const UFFDIO_CONTINUE: u32 = iowr::<raw::uffdio_continue>(raw::_UFFDIO_CONTINUE);

/// `UFFDIO_POISON`: the number of the ioctl of [`uffdio_poison`], as a `seccomp` filter sees it.
pub const UFFDIO_POISON: u32 = iowr::<raw::uffdio_poison>(raw::_UFFDIO_POISON);

bitflags! {
    /// `UFFDIO_COPY_MODE_*` as [`uffdio_copy`] takes them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UffdCopyMode: u64 {
        /// `UFFDIO_COPY_MODE_DONTWAKE`: threads that wait are not woken.
        const DONTWAKE = raw::UFFDIO_COPY_MODE_DONTWAKE as u64;
        /// `UFFDIO_COPY_MODE_WP`: the pages are write-protected from the start (since Linux 5.7).
        const WP = raw::UFFDIO_COPY_MODE_WP as u64;
        const _ = !0;
    }
}

bitflags! {
    /// `UFFDIO_ZEROPAGE_MODE_*` as [`uffdio_zeropage`] takes them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UffdZeropageMode: u64 {
        /// `UFFDIO_ZEROPAGE_MODE_DONTWAKE`: threads that wait are not woken.
        const DONTWAKE = raw::UFFDIO_ZEROPAGE_MODE_DONTWAKE as u64;
        const _ = !0;
    }
}

// The headers define the flags below by shifts, which the bindings leave out; they are the same on every architecture.

bitflags! {
    /// `UFFDIO_WRITEPROTECT_MODE_*` as [`uffdio_writeprotect`] takes them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UffdWriteprotectMode: u64 {
        /// `UFFDIO_WRITEPROTECT_MODE_WP`: protects; without it the protection is lifted.
        const WP = 1 << 0;
        /// `UFFDIO_WRITEPROTECT_MODE_DONTWAKE`: threads that wait are not woken; not together with `WP`.
        const DONTWAKE = 1 << 1;
        const _ = !0;
    }
}

bitflags! {
    /// `UFFDIO_CONTINUE_MODE_*` as [`uffdio_continue`] takes them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UffdContinueMode: u64 {
        /// `UFFDIO_CONTINUE_MODE_DONTWAKE`: threads that wait are not woken.
        const DONTWAKE = 1 << 0;
        /// `UFFDIO_CONTINUE_MODE_WP`: the pages are write-protected from the start (since Linux 6.4).
        const WP = 1 << 1;
        const _ = !0;
    }
}

bitflags! {
    /// `UFFDIO_POISON_MODE_*` as [`uffdio_poison`] takes them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UffdPoisonMode: u64 {
        /// `UFFDIO_POISON_MODE_DONTWAKE`: threads that wait are not woken.
        const DONTWAKE = 1 << 0;
        const _ = !0;
    }
}

bitflags! {
    /// `UFFDIO_MOVE_MODE_*` as [`uffdio_move`] takes them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UffdMoveMode: u64 {
        /// `UFFDIO_MOVE_MODE_DONTWAKE`: threads that wait are not woken.
        const DONTWAKE = 1 << 0;
        /// `UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES`: where the source has no page, nothing moves and it is no error.
        const ALLOW_SRC_HOLES = 1 << 1;
        const _ = !0;
    }
}

/// Makes one answer of the two that the kernel gives: what the call returned, and the bytes that it did or a negative errno.
fn done(result: Result<()>, bytes: i64) -> Result<usize> {
    match bytes {
        1.. => Ok(bytes as usize),
        _ => result.map(|()| 0),
    }
}

/// `ioctl(uffd, UFFDIO_COPY, &copy)`—Fills missing pages with a copy of some bytes, and wakes the threads that wait for them.
///
/// `dst` is page aligned; `len` is in bytes and a multiple of the page size. `src` needs no alignment, and is an address in
/// the calling process. Returns the bytes copied, which can be fewer than `len`: call
/// again for the rest.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, UffdCopyMode, UffdFeatures, UffdRegisterMode, UserfaultfdFlags};
/// use mmarinus_sys::{mmap_anonymous, munmap, page_size, uffdio_api, uffdio_copy, uffdio_register, userfaultfd};
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
/// let page = vec![7u8; len];
/// // SAFETY: as above, and the source is as long as a page.
/// let copied = unsafe { uffdio_copy(&uffd, addr.as_ptr(), page.as_ptr().cast(), len, UffdCopyMode::empty())? };
/// assert_eq!(copied, len);
/// // SAFETY: the page is mapped, readable and there.
/// assert_eq!(unsafe { addr.cast::<u8>().read() }, 7);
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: the mappings of the process are changing (a fork, `mremap` or `munmap` whose event nobody has read yet); read
///   events, then try again.
/// - `EEXIST`: the first page is there already.
/// - `EFAULT`: `src` cannot be read.
/// - `EINVAL`: `dst` or `len` is not page aligned, or 0; an address is below `vm.mmap_min_addr`; the mode is unknown, or `WP`
///   where the range is not registered for it.
/// - `ENOENT`: the range is not in one map that is registered with this userfaultfd.
/// - `ENOMEM`: no memory for the page, or the file system behind a shared map is full.
/// - `ESRCH`: the process that made `uffd` is gone.
///
/// # Safety
///
/// - In the process that made `uffd` the target must be [owned](crate#safety); pages that somebody expects to be zeros
///   become other bytes.
/// - `src` must be valid for reads of `len` bytes.
///
/// # References
///
/// [UFFDIO_COPY(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_COPY.2const.html)
#[doc(alias = "UFFDIO_COPY")]
pub unsafe fn uffdio_copy(
    uffd: impl AsFd,
    dst: *mut c_void,
    src: *const c_void,
    len: usize,
    mode: UffdCopyMode,
) -> Result<usize> {
    let mut copy = raw::uffdio_copy {
        dst: dst.expose_provenance() as u64,
        src: src.expose_provenance() as u64,
        len: len as u64,
        mode: mode.bits(),
        copy: 0,
    };
    // SAFETY: `UFFDIO_COPY` takes an `uffdio_copy`.
    let update = unsafe { Updater::<{ UFFDIO_COPY as Opcode }, _>::new(&mut copy) };
    // SAFETY: the caller owns the target and may read the source.
    let result = unsafe { ioctl(uffd, update) };
    done(result, copy.copy)
}

/// `ioctl(uffd, UFFDIO_ZEROPAGE, &zeropage)`—Fills missing pages with zeros, and wakes the threads that wait for them.
///
/// `addr` is page aligned; `len` is in bytes and a multiple of the page size. Not for huge page maps. Returns the bytes
/// filled, which can be fewer than `len`: call again for the rest.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, UffdFeatures, UffdRegisterMode, UffdZeropageMode, UserfaultfdFlags};
/// use mmarinus_sys::{mmap_anonymous, munmap, page_size, uffdio_api, uffdio_register, uffdio_zeropage, userfaultfd};
///
/// let Ok(uffd) = userfaultfd(UserfaultfdFlags::CLOEXEC) else {
///     return Ok(()); // no privilege
/// };
/// uffdio_api(&uffd, UffdFeatures::empty())?;
/// let len = 2 * page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { uffdio_register(&uffd, addr.as_ptr(), len, UffdRegisterMode::MISSING)? };
/// // SAFETY: as above.
/// let filled = unsafe { uffdio_zeropage(&uffd, addr.as_ptr(), len, UffdZeropageMode::empty())? };
/// assert_eq!(filled, len);
/// // SAFETY: as above.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: the mappings of the process are changing; read events, then try again.
/// - `EEXIST`: the first page is there already.
/// - `EINVAL`: `addr` or `len` is not page aligned, or 0; the mode is unknown; the range is a huge page map.
/// - `ENOENT`: the range is not in one map that is registered with this userfaultfd.
/// - `ENOMEM`: no memory for the page.
/// - `ESRCH`: the process that made `uffd` is gone.
///
/// # Safety
///
/// In the process that made `uffd` the range must be [owned](crate#safety).
///
/// # References
///
/// [UFFDIO_ZEROPAGE(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_ZEROPAGE.2const.html)
#[doc(alias = "UFFDIO_ZEROPAGE")]
pub unsafe fn uffdio_zeropage(
    uffd: impl AsFd,
    addr: *mut c_void,
    len: usize,
    mode: UffdZeropageMode,
) -> Result<usize> {
    let mut zeropage = raw::uffdio_zeropage {
        range: range(addr, len),
        mode: mode.bits(),
        zeropage: 0,
    };
    // SAFETY: `UFFDIO_ZEROPAGE` takes an `uffdio_zeropage`.
    let update = unsafe { Updater::<{ UFFDIO_ZEROPAGE as Opcode }, _>::new(&mut zeropage) };
    // SAFETY: the caller owns the range.
    let result = unsafe { ioctl(uffd, update) };
    done(result, zeropage.zeropage)
}

/// `ioctl(uffd, UFFDIO_WRITEPROTECT, &writeprotect)`—Protects pages against writing, or lifts that (since Linux 5.7).
///
/// `addr` is page aligned; `len` is in bytes and a multiple of the page size. A write to a protected page is an event, and
/// the thread waits until the protection is lifted.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, UffdFeatures, UffdRegisterMode, UffdWriteprotectMode, UserfaultfdFlags};
/// use mmarinus_sys::{mmap_anonymous, munmap, page_size, uffdio_api, uffdio_register, uffdio_writeprotect, userfaultfd};
///
/// let Ok(uffd) = userfaultfd(UserfaultfdFlags::CLOEXEC) else {
///     return Ok(()); // no privilege
/// };
/// if !uffdio_api(&uffd, UffdFeatures::empty())?.features.contains(UffdFeatures::PAGEFAULT_FLAG_WP) {
///     return Ok(()); // an architecture without it
/// }
/// let (len, prot) = (page_size(), ProtFlags::READ | ProtFlags::WRITE);
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, prot, MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { uffdio_register(&uffd, addr.as_ptr(), len, UffdRegisterMode::WP)? };
/// // SAFETY: as above.
/// unsafe { uffdio_writeprotect(&uffd, addr.as_ptr(), len, UffdWriteprotectMode::WP)? };
/// // SAFETY: as above.
/// unsafe { uffdio_writeprotect(&uffd, addr.as_ptr(), len, UffdWriteprotectMode::empty())? };
/// // SAFETY: the page is mapped and writable, and no longer protected.
/// unsafe { addr.cast::<u8>().write(1) };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: the mappings of the process are changing; read events, then try again.
/// - `EFAULT`: the pages could not be changed.
/// - `EINVAL`: `addr` or `len` is not page aligned, or 0; the mode is unknown, or `WP` with `DONTWAKE`.
/// - `ENOENT`: the range is not in maps that are registered for `WP` with this userfaultfd.
/// - `ESRCH`: the process that made `uffd` is gone.
///
/// A call over several maps that fails may have changed the first ones: the kernel does not say how far it came.
///
/// # Safety
///
/// In the process that made `uffd` the range must be [owned](crate#safety): writes to it block, until the holders of `uffd`
/// lift the protection, or raise `SIGBUS`, if the feature says so; then it must be [unborrowed](crate#safety), too.
///
/// # References
///
/// [UFFDIO_WRITEPROTECT(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_WRITEPROTECT.2const.html)
#[doc(alias = "UFFDIO_WRITEPROTECT")]
pub unsafe fn uffdio_writeprotect(
    uffd: impl AsFd,
    addr: *mut c_void,
    len: usize,
    mode: UffdWriteprotectMode,
) -> Result<()> {
    let mut writeprotect = raw::uffdio_writeprotect {
        range: range(addr, len),
        mode: mode.bits(),
    };
    // SAFETY: `UFFDIO_WRITEPROTECT` takes an `uffdio_writeprotect`.
    let update = unsafe { Updater::<{ UFFDIO_WRITEPROTECT as Opcode }, _>::new(&mut writeprotect) };
    // SAFETY: the caller owns the range.
    unsafe { ioctl(uffd, update) }
}

/// `ioctl(uffd, UFFDIO_CONTINUE, &continue)`—Maps pages that the object behind the range has already (since Linux 5.13).
///
/// The answer to a minor fault, once the page has its bytes by another map of the object. `addr` is page aligned; `len` is
/// in bytes and a multiple of the page size. Returns the bytes mapped, which can be fewer than `len`: call again for the rest.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, MemfdFlags, ProtFlags, UffdContinueMode, UffdFeatures, UffdRegisterMode, UserfaultfdFlags};
/// use mmarinus_sys::{memfd_create, mmap, munmap, page_size, uffdio_api, uffdio_continue, uffdio_register, userfaultfd};
/// use std::io::Write;
///
/// let Ok(uffd) = userfaultfd(UserfaultfdFlags::CLOEXEC) else {
///     return Ok(()); // no privilege
/// };
/// if !uffdio_api(&uffd, UffdFeatures::empty())?.features.contains(UffdFeatures::MINOR_SHMEM) {
///     return Ok(()); // an older kernel
/// }
/// let mut file = std::fs::File::from(memfd_create(c"pages", MemfdFlags::CLOEXEC)?);
/// file.write_all(&vec![7; page_size()]).unwrap();
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, &file, 0)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { uffdio_register(&uffd, addr.as_ptr(), len, UffdRegisterMode::MINOR)? };
/// // SAFETY: as above.
/// let mapped = unsafe { uffdio_continue(&uffd, addr.as_ptr(), len, UffdContinueMode::empty())? };
/// assert_eq!(mapped, len);
/// // SAFETY: the page is mapped, readable and there.
/// assert_eq!(unsafe { addr.cast::<u8>().read() }, 7);
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: the mappings of the process are changing; read events, then try again.
/// - `EEXIST`: the first page is mapped already.
/// - `EFAULT`: the object has no such page.
/// - `EINVAL`: `addr` or `len` is not page aligned, or 0; the mode is unknown; the range is anonymous memory.
/// - `ENOENT`: the range is not in one map that is registered with this userfaultfd.
/// - `ENOMEM`: no memory for page tables.
/// - `ESRCH`: the process that made `uffd` is gone.
///
/// # Safety
///
/// In the process that made `uffd` the range must be [owned](crate#safety).
///
/// # References
///
/// [UFFDIO_CONTINUE(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_CONTINUE.2const.html)
#[doc(alias = "UFFDIO_CONTINUE")]
pub unsafe fn uffdio_continue(
    uffd: impl AsFd,
    addr: *mut c_void,
    len: usize,
    mode: UffdContinueMode,
) -> Result<usize> {
    let mut resume = raw::uffdio_continue {
        range: range(addr, len),
        mode: mode.bits(),
        mapped: 0,
    };
    // SAFETY: `UFFDIO_CONTINUE` takes an `uffdio_continue`.
    let update = unsafe { Updater::<{ UFFDIO_CONTINUE as Opcode }, _>::new(&mut resume) };
    // SAFETY: the caller owns the range.
    let result = unsafe { ioctl(uffd, update) };
    done(result, resume.mapped)
}

/// `ioctl(uffd, UFFDIO_POISON, &poison)`—Makes missing pages raise `SIGBUS` when they are touched (since Linux 6.6).
///
/// `addr` is page aligned; `len` is in bytes and a multiple of the page size. `MADV_DONTNEED` takes the poison away. Returns
/// the bytes poisoned, which can be fewer than `len`: call again for the rest.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, UffdFeatures, UffdPoisonMode, UffdRegisterMode, UserfaultfdFlags};
/// use mmarinus_sys::{mmap_anonymous, munmap, page_size, uffdio_api, uffdio_poison, uffdio_register, userfaultfd};
///
/// let Ok(uffd) = userfaultfd(UserfaultfdFlags::CLOEXEC) else {
///     return Ok(()); // no privilege
/// };
/// if !uffdio_api(&uffd, UffdFeatures::empty())?.features.contains(UffdFeatures::POISON) {
///     return Ok(()); // an older kernel
/// }
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { uffdio_register(&uffd, addr.as_ptr(), len, UffdRegisterMode::MISSING)? };
/// // SAFETY: as above.
/// let poisoned = unsafe { uffdio_poison(&uffd, addr.as_ptr(), len, UffdPoisonMode::empty())? };
/// assert_eq!(poisoned, len); // who touches the page now gets SIGBUS
/// // SAFETY: as above.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: the mappings of the process are changing; read events, then try again.
/// - `EEXIST`: the first page is there already.
/// - `EINVAL`: `addr` or `len` is not page aligned, or 0; the mode is unknown; the kernel is older than 6.6.
/// - `ENOENT`: the range is not in one map that is registered with this userfaultfd.
/// - `ENOMEM`: no memory for page tables.
/// - `ESRCH`: the process that made `uffd` is gone.
///
/// # Safety
///
/// In the process that made `uffd` the range must be [owned](crate#safety) and [unborrowed](crate#safety): a touch of it is
/// `SIGBUS`.
///
/// # References
///
/// [UFFDIO_POISON(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_POISON.2const.html)
#[doc(alias = "UFFDIO_POISON")]
pub unsafe fn uffdio_poison(
    uffd: impl AsFd,
    addr: *mut c_void,
    len: usize,
    mode: UffdPoisonMode,
) -> Result<usize> {
    let mut poison = raw::uffdio_poison {
        range: range(addr, len),
        mode: mode.bits(),
        updated: 0,
    };
    // SAFETY: `UFFDIO_POISON` takes an `uffdio_poison`.
    let update = unsafe { Updater::<{ UFFDIO_POISON as Opcode }, _>::new(&mut poison) };
    // SAFETY: the caller owns the range, and nobody holds a reference into it.
    let result = unsafe { ioctl(uffd, update) };
    done(result, poison.updated)
}

/// `ioctl(uffd, UFFDIO_MOVE, &move)`—Moves pages into missing places, and wakes the threads that wait (since Linux 6.8).
///
/// Nothing is copied: the source is empty afterwards. Both ranges are private anonymous memory of the process that made
/// `uffd`, page aligned; `len` is in bytes and a multiple of the page size; the target is registered. Returns the bytes
/// moved, which can be fewer than `len`: call again for the rest.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, UffdFeatures, UffdMoveMode, UffdRegisterMode, UserfaultfdFlags};
/// use mmarinus_sys::{mmap_anonymous, munmap, page_size, uffdio_api, uffdio_move, uffdio_register, userfaultfd};
///
/// let Ok(uffd) = userfaultfd(UserfaultfdFlags::CLOEXEC) else {
///     return Ok(()); // no privilege
/// };
/// if !uffdio_api(&uffd, UffdFeatures::empty())?.features.contains(UffdFeatures::MOVE) {
///     return Ok(()); // an older kernel
/// }
/// let (len, prot) = (page_size(), ProtFlags::READ | ProtFlags::WRITE);
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let target = unsafe { mmap_anonymous(core::ptr::null_mut(), len, prot, MapFlags::PRIVATE)? };
/// // SAFETY: as above.
/// let source = unsafe { mmap_anonymous(core::ptr::null_mut(), len, prot, MapFlags::PRIVATE)? };
/// // SAFETY: the page is mapped and writable.
/// unsafe { source.cast::<u8>().write(7) };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { uffdio_register(&uffd, target.as_ptr(), len, UffdRegisterMode::MISSING)? };
/// // SAFETY: both ranges are ours, and nobody borrows from them.
/// let moved = unsafe { uffdio_move(&uffd, target.as_ptr(), source.as_ptr(), len, UffdMoveMode::empty())? };
/// assert_eq!(moved, len);
/// // SAFETY: the page is mapped, readable and there.
/// assert_eq!(unsafe { target.cast::<u8>().read() }, 7);
/// // SAFETY: the page is mapped and readable.
/// assert_eq!(unsafe { source.cast::<u8>().read() }, 0);
/// for addr in [target, source] {
///     // SAFETY: the range is ours, and nobody borrows from it.
///     unsafe { munmap(addr.as_ptr(), len)? };
/// }
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: the mappings of the process are changing; read events, then try again.
/// - `EBUSY`: the first page of the source is pinned, or shared with a forked child.
/// - `EEXIST`: the first page of the target is there already.
/// - `EINVAL`: an address or `len` is not page aligned, or 0; the mode is unknown; a range is not private anonymous
///   memory, or the two differ in permissions or locking; the kernel is older than 6.8.
/// - `ENOENT`: the first page of the source is not there, and `ALLOW_SRC_HOLES` was not given; or the target is not in one
///   map that is registered with this userfaultfd.
/// - `ENOMEM`: no memory for page tables.
/// - `EPERM`: another process than the one that made `uffd` makes the call.
/// - `ESRCH`: the process that made `uffd` is gone.
///
/// # Safety
///
/// Both ranges must be [owned](crate#safety), and the source [unborrowed](crate#safety): it turns to zeros.
///
/// # References
///
/// [UFFDIO_MOVE(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_MOVE.2const.html)
#[doc(alias = "UFFDIO_MOVE")]
pub unsafe fn uffdio_move(
    uffd: impl AsFd,
    dst: *mut c_void,
    src: *mut c_void,
    len: usize,
    mode: UffdMoveMode,
) -> Result<usize> {
    let mut pages = raw::uffdio_move {
        dst: dst.expose_provenance() as u64,
        src: src.expose_provenance() as u64,
        len: len as u64,
        mode: mode.bits(),
        move_: 0,
    };
    // SAFETY: `UFFDIO_MOVE` takes an `uffdio_move`.
    let update = unsafe { Updater::<{ UFFDIO_MOVE as Opcode }, _>::new(&mut pages) };
    // SAFETY: the caller owns both ranges, and nobody holds a reference into the source.
    let result = unsafe { ioctl(uffd, update) };
    done(result, pages.move_)
}
