//! Mapping, unmapping and moving: `mmap`, `munmap`, `mremap`, `remap_file_pages`.
#![expect(
    unsafe_code,
    reason = "these calls replace, remove and move memory that others may use"
)]

use core::ffi::{c_long, c_void};
use core::ptr::{self, NonNull};

use bitflags::bitflags;
use linux_raw_sys::general as raw;
use rustix::fd::AsFd;

use crate::{Errno, ProtFlags, Result, raw::syscall};

bitflags! {
    /// `MAP_*` as [`mmap`] and [`mmap_anonymous`] take them: the kind of a map, where it goes, and what is done with it.
    ///
    /// Exactly one of [`SHARED`](Self::SHARED), [`PRIVATE`](Self::PRIVATE), [`SHARED_VALIDATE`](Self::SHARED_VALIDATE) and
    /// [`DROPPABLE`](Self::DROPPABLE) is needed. The size of huge pages is not here but comes from
    /// [`HugePage::map_flags`](crate::HugePage::map_flags).
    ///
    /// Bits that the kernel does not know are ignored by it, unless the kind is `SHARED_VALIDATE`; unknown bits are passed
    /// through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MapFlags: u32 {
        /// `MAP_SHARED`: writes go to the object, and all who map it see them.
        const SHARED = raw::MAP_SHARED;
        /// `MAP_PRIVATE`: a page that is written becomes a copy of this map alone. Pages that were not written yet still show
        /// what others write to the file.
        const PRIVATE = raw::MAP_PRIVATE;
        /// `MAP_SHARED_VALIDATE`: as `SHARED`, and unknown flags are refused with `EOPNOTSUPP` (since Linux 4.15).
        ///
        /// For maps of files only. The kernel counts `FIXED_NOREPLACE` as unknown here.
        const SHARED_VALIDATE = raw::MAP_SHARED_VALIDATE;
        /// `MAP_DROPPABLE`: private anonymous memory whose pages the kernel may turn to zeros whenever it needs some, and
        /// which is zeros in a forked child (since Linux 6.11).
        const DROPPABLE = raw::MAP_DROPPABLE;
        /// `MAP_ANONYMOUS`: memory without a file. [`mmap_anonymous`] adds it; [`mmap`] with it does not look at the fd.
        const ANONYMOUS = raw::MAP_ANONYMOUS;
        /// `MAP_FIXED`: at this very address; whatever was mapped there is gone, even when the call then fails.
        const FIXED = raw::MAP_FIXED;
        /// `MAP_FIXED_NOREPLACE`: at this very address, or `EEXIST` if something is there (since Linux 4.17).
        const FIXED_NOREPLACE = raw::MAP_FIXED_NOREPLACE;
        /// `MAP_GROWSDOWN`: a map that grows towards lower addresses when the page below it is touched.
        const GROWSDOWN = raw::MAP_GROWSDOWN;
        /// `MAP_LOCKED`: locked as if by [`mlock`](crate::mlock), but pages that cannot be had now are not an error.
        const LOCKED = raw::MAP_LOCKED;
        /// `MAP_NORESERVE`: reserves no swap space and no huge pages, so that touching a page may fail with a signal.
        const NORESERVE = raw::MAP_NORESERVE;
        /// `MAP_POPULATE`: reads the pages in at once; pages that cannot be had are not an error.
        const POPULATE = raw::MAP_POPULATE;
        /// `MAP_NONBLOCK`: takes back `POPULATE` (since Linux 2.6.23).
        const NONBLOCK = raw::MAP_NONBLOCK;
        /// `MAP_STACK`: for a thread's stack; since Linux 6.7 it keeps transparent huge pages away.
        const STACK = raw::MAP_STACK;
        /// `MAP_HUGETLB`: pages from the pool of huge pages; for their size see
        /// [`HugePage::map_flags`](crate::HugePage::map_flags).
        const HUGETLB = raw::MAP_HUGETLB;
        /// `MAP_SYNC`: a page that may be written has its place on persistent memory; with `SHARED_VALIDATE` only (since
        /// Linux 4.15).
        #[cfg(not(any(
            target_arch = "mips",
            target_arch = "mips32r6",
            target_arch = "mips64",
            target_arch = "mips64r6"
        )))]
        const SYNC = raw::MAP_SYNC;
        /// `MAP_UNINITIALIZED`: pages are not cleared; only where there is no MMU, ignored elsewhere.
        #[cfg(not(any(
            target_arch = "mips",
            target_arch = "mips32r6",
            target_arch = "mips64",
            target_arch = "mips64r6"
        )))]
        const UNINITIALIZED = raw::MAP_UNINITIALIZED;
        /// `MAP_DENYWRITE`: ignored.
        const DENYWRITE = raw::MAP_DENYWRITE;
        /// `MAP_EXECUTABLE`: ignored.
        const EXECUTABLE = raw::MAP_EXECUTABLE;
        /// `MAP_32BIT`: below 2 GiB; there is room for about 1 GiB of such maps (x86).
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        const _32BIT = raw::MAP_32BIT;
        /// `MAP_ABOVE4G`: above 4 GiB, unless the hint is lower (x86, since Linux 6.6).
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        const ABOVE4G = raw::MAP_ABOVE4G;
        const _ = !0;
    }
}

bitflags! {
    /// `MREMAP_*` as [`mremap`] and [`mremap_fixed`] take them.
    ///
    /// `MREMAP_FIXED` is not among them: [`mremap_fixed`] adds it. Bits that the kernel does not know are refused by it with
    /// `EINVAL`; unknown bits are passed through, but `MREMAP_FIXED` is taken out by [`mremap`], which has no address for it.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct RemapFlags: u32 {
        /// `MREMAP_MAYMOVE`: the map may be moved to another address.
        const MAYMOVE = raw::MREMAP_MAYMOVE;
        /// `MREMAP_DONTUNMAP`: the pages move, the old addresses stay mapped and empty; with `MAYMOVE` and equal sizes (since
        /// Linux 5.7 for private anonymous memory, 5.13 for everything).
        const DONTUNMAP = raw::MREMAP_DONTUNMAP;
        const _ = !0;
    }
}

/// `mmap(addr, len, prot, flags, fd, offset)`—Maps a file, and returns the address.
///
/// `addr` is a hint unless the flags fix it; null lets the kernel choose. `len` is in bytes and is rounded up to pages (huge
/// pages on a file of those). `offset` is in bytes and a multiple of the page size.
///
/// The address that comes back is never null: a fixed map at address 0 is refused before the call.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{FallocateFlags, MapFlags, MemfdFlags, ProtFlags};
/// use mmarinus_sys::{fallocate, memfd_create, mmap, munmap, page_size};
///
/// let fd = memfd_create(c"a page", MemfdFlags::CLOEXEC)?;
/// fallocate(&fd, FallocateFlags::empty(), 0, page_size() as u64)?;
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap(core::ptr::null_mut(), page_size(), ProtFlags::READ, MapFlags::SHARED, &fd, 0)? };
/// // SAFETY: the page is ours, mapped and readable, and within the file.
/// assert_eq!(unsafe { addr.cast::<u8>().read() }, 0);
/// // SAFETY: the page is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), page_size())? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EACCES`: `fd` is not a file that can be read, or a shared map is to be writable and `fd` is not.
/// - `EAGAIN`: `LOCKED` beyond `RLIMIT_MEMLOCK`; also `memfd_secret`, whose pages are always locked.
/// - `EBADF`: `fd` is not open.
/// - `EEXIST`: `FIXED_NOREPLACE`, and something is mapped in the range.
/// - `EINVAL`: `len` is 0; `offset`, or an address that is fixed, is not a multiple of the page size; an address that is
///   fixed is 0; no kind among the flags; `HUGETLB` on a file that is not of huge pages.
/// - `ENODEV`: the file, a directory for one, cannot be mapped.
/// - `ENOMEM`: no room of this length; `RLIMIT_AS`; `vm.max_map_count`; too few huge pages.
/// - `EOPNOTSUPP`: `SHARED_VALIDATE` with a flag that the kernel or the file does not support: `SYNC` on a file that is not
///   on persistent memory, and `FIXED_NOREPLACE` always. To place such a map without replacing another, reserve the range with
///   `FIXED_NOREPLACE` first, then replace the reservation.
/// - `EOVERFLOW`: `offset` plus `len` is larger than a file can be.
/// - `EPERM`: `EXEC` on a file system mounted `noexec`; a fixed address below `vm.mmap_min_addr`; a file sealed against
///   writing; a range that holds a map sealed by `mseal`.
///
/// A call with `FIXED` that fails may have unmapped the range all the same.
///
/// # Safety
///
/// - With `FIXED` the range must be [owned](crate#safety) and [unborrowed](crate#safety); with `GROWSDOWN` so must the
///   addresses that the map may grow into.
/// - With `FIXED_NOREPLACE` the range must not be where a stack that grows may come to, as that of the main thread: it would
///   use the map as its own, without a fault. A hint that is too near to one is not taken.
/// - What the map's bytes then are is up to everyone who can write or truncate the file: a reference into it is only right
///   while nobody does, and touching a page past the file's end raises `SIGBUS`.
/// - The file may belong to a driver for which mapping, or writing to the map, has effects of its own.
///
/// # References
///
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
#[inline]
pub unsafe fn mmap(
    addr: *mut c_void,
    len: usize,
    prot: ProtFlags,
    flags: MapFlags,
    fd: impl AsFd,
    offset: u64,
) -> Result<NonNull<c_void>> {
    check_fixed(addr, flags)?;
    // 32-bit kernels take the offset in units of 4096 bytes, and rustix drops the rest.
    if cfg!(target_pointer_width = "32") && !offset.is_multiple_of(4096) {
        return Err(Errno::INVAL);
    }
    let prot = rustix::mm::ProtFlags::from_bits_retain(prot.bits());
    let flags = rustix::mm::MapFlags::from_bits_retain(flags.bits());
    // SAFETY: the caller keeps the contract of mmap(2).
    let map = unsafe { rustix::mm::mmap(addr, len, prot, flags, fd, offset) };
    non_null(map?)
}

/// `mmap(addr, len, prot, flags | MAP_ANONYMOUS, -1, 0)`—Maps memory that is zeros, and returns the address.
///
/// `addr` is a hint unless the flags fix it; null lets the kernel choose. `len` is in bytes and is rounded up to pages (huge
/// pages with `HUGETLB`; keep that length, since [`munmap`] does not round so far).
///
/// The address that comes back is never null: a fixed map at address 0 is refused before the call.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, mmap_anonymous, munmap, page_size};
///
/// let prot = ProtFlags::READ | ProtFlags::WRITE;
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), page_size(), prot, MapFlags::PRIVATE)? };
/// let byte = addr.cast::<u8>();
/// // SAFETY: the page is ours, mapped and readable.
/// assert_eq!(unsafe { byte.read() }, 0);
/// // SAFETY: the page is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), page_size())? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: `LOCKED` beyond `RLIMIT_MEMLOCK`.
/// - `EEXIST`: `FIXED_NOREPLACE`, and something is mapped in the range.
/// - `EINVAL`: `len` is 0; an address that is fixed is 0 or not a multiple of the page size; no kind among the flags;
///   `SHARED_VALIDATE`; `GROWSDOWN` on shared or droppable memory; `LOCKED` or `HUGETLB` on droppable memory; `HUGETLB` of a
///   size that the machine lacks.
/// - `ENOMEM`: no room of this length; `RLIMIT_AS`; `vm.max_map_count`; too few huge pages.
/// - `EOPNOTSUPP`: `DROPPABLE` where the architecture lacks it.
/// - `EPERM`: a fixed address below `vm.mmap_min_addr`; a range that holds a map sealed by `mseal`.
///
/// A call with `FIXED` that fails may have unmapped the range all the same.
///
/// # Safety
///
/// - With `FIXED` the range must be [owned](crate#safety) and [unborrowed](crate#safety); with `GROWSDOWN` so must the addresses
///   that the map may grow into.
/// - With `FIXED_NOREPLACE` the range must not be where a stack that grows may come to, as that of the main thread: it would
///   use the map as its own, without a fault. A hint that is too near to one is not taken.
/// - The bytes of a `DROPPABLE` map may turn to zeros at any moment: no reference to them is right.
/// - A page of a map with `HUGETLB` or `NORESERVE` that cannot be had when it is touched first is a signal.
///
/// # References
///
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
#[inline]
pub unsafe fn mmap_anonymous(
    addr: *mut c_void,
    len: usize,
    prot: ProtFlags,
    flags: MapFlags,
) -> Result<NonNull<c_void>> {
    check_fixed(addr, flags)?;
    let prot = rustix::mm::ProtFlags::from_bits_retain(prot.bits());
    let flags = rustix::mm::MapFlags::from_bits_retain(flags.bits());
    // SAFETY: the caller keeps the contract of mmap(2).
    let map = unsafe { rustix::mm::mmap_anonymous(addr, len, prot, flags) };
    non_null(map?)
}

/// `munmap(addr, len)`—Removes every map, or part of one, in a range.
///
/// `addr` is page aligned; `len` is in bytes and is rounded up to pages, but not to huge pages. A range without any map in it
/// is no error.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MapFlags, ProtFlags, mmap_anonymous, munmap, page_size};
///
/// let len = 2 * page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// assert_eq!(unsafe { munmap(addr.as_ptr().wrapping_byte_add(1), len) }, Err(Errno::INVAL));
/// // SAFETY: as above.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: `addr` is not aligned to the page size; `len` is 0 or wraps around; a map of huge pages would be cut inside of
///   one.
/// - `ENOMEM`: removing the middle of a map makes two of one, and that would be more than `vm.max_map_count`.
/// - `EPERM`: part of the range is sealed by `mseal`.
///
/// A call that fails has removed nothing.
///
/// # Safety
///
/// The range must be [owned](crate#safety) and [unborrowed](crate#safety). After the call it is no longer owned: any other
/// thread may get these addresses.
///
/// # References
///
/// [munmap(2)](https://man7.org/linux/man-pages/man2/munmap.2.html)
#[inline]
pub unsafe fn munmap(addr: *mut c_void, len: usize) -> Result<()> {
    // SAFETY: the caller keeps the contract of munmap(2).
    unsafe { rustix::mm::munmap(addr, len) }
}

/// `mremap(old, old_size, new_size, flags)`—Grows, shrinks or moves a map, and returns its address.
///
/// `old` is page aligned; the sizes are in bytes and are rounded up to pages. The kernel chooses the place when the map moves;
/// for a place of the caller's choice see [`mremap_fixed`].
///
/// An `old_size` of 0 maps the same shared pages a second time, with `MAYMOVE`.
///
/// The call always passes a fifth argument, 0: with `DONTUNMAP` the kernel reads it as a hint for the new address.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, RemapFlags, mmap_anonymous, mremap, munmap, page_size};
///
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// let grown = unsafe { mremap(addr.as_ptr(), len, 3 * len, RemapFlags::MAYMOVE)? };
/// // SAFETY: as above.
/// unsafe { munmap(grown.as_ptr(), 3 * len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: the map is locked, and would grow beyond `RLIMIT_MEMLOCK`.
/// - `EFAULT`: the range is not mapped, or is not within one map (since Linux 6.17 a move without a change of size may span
///   several).
/// - `EINVAL`: `old` is null or not page aligned; `new_size` is 0; a flag that the kernel does not know; `DONTUNMAP` without
///   `MAYMOVE`, with sizes that differ, or on huge pages; `old_size` 0 on private memory; huge pages that would grow or be cut.
/// - `ENOMEM`: without `MAYMOVE` the room behind the map is taken; no room of this length; `RLIMIT_AS`; `vm.max_map_count`.
/// - `EPERM`: part of the range is sealed by `mseal`.
///
/// # Safety
///
/// - The old range must be [owned](crate#safety), and [unborrowed](crate#safety) as far as it moves, shrinks or is emptied.
/// - With an `old_size` of 0 the same bytes are at two addresses afterwards: nobody may hold a reference to either that the
///   other can change.
/// - A map of a file that grows beyond the file's end raises `SIGBUS` there.
///
/// # References
///
/// [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html)
#[inline]
pub unsafe fn mremap(
    old: *mut c_void,
    old_size: usize,
    new_size: usize,
    flags: RemapFlags,
) -> Result<NonNull<c_void>> {
    // A map at address 0 that only changes its size would come back as null.
    if old.is_null() {
        return Err(Errno::INVAL);
    }
    let flags = flags.bits() & !raw::MREMAP_FIXED;
    // SAFETY: the caller keeps the contract of mremap(2).
    unsafe { remap(old, old_size, new_size, flags, ptr::null_mut()) }
}

/// `mremap(old, old_size, new_size, flags | MREMAP_FIXED, new_addr)`—Moves a map to a given address, and returns it.
///
/// `old` and `new_addr` are page aligned; the sizes are in bytes and are rounded up to pages. Whatever was mapped in the new
/// range is gone. The flags must have `MAYMOVE`.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, ProtFlags, RemapFlags, mmap_anonymous, mremap_fixed, munmap, page_size};
///
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let two = unsafe { mmap_anonymous(core::ptr::null_mut(), 2 * len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// let second = two.as_ptr().wrapping_byte_add(len);
/// // SAFETY: both pages are ours, and nobody borrows from them.
/// let moved = unsafe { mremap_fixed(two.as_ptr(), len, len, RemapFlags::MAYMOVE, second)? };
/// assert_eq!(moved.as_ptr(), second);
/// // SAFETY: the page is ours, and nobody borrows from it; the first one is no longer mapped.
/// unsafe { munmap(second, len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// As [`mremap`], and:
///
/// - `EINVAL`: `new_addr` is null, not page aligned (huge pages: to those), or not in user space; the ranges overlap; no
///   `MAYMOVE`.
/// - `EPERM`: part of the new range is sealed by `mseal`, or below `vm.mmap_min_addr`.
///
/// A call that fails may have unmapped the new range all the same, and of several maps may have moved the first ones.
///
/// Pages that the kernel may merge (`MADV_MERGEABLE`, [`set_memory_merge`](crate::set_memory_merge)) are taken apart after the
/// new range was unmapped. A signal ends that: the call fails with `EINTR`, or, if the signal's handler was installed with
/// `SA_RESTART`, it is made again behind the handler. What another thread maps at the new range meanwhile, it then unmaps. So
/// `MADV_UNMERGEABLE` comes first.
///
/// # Safety
///
/// - As [`mremap`].
/// - The old range may not be merged, or no other thread maps anything, nor a handler of a signal.
/// - The new range must be [owned](crate#safety) and [unborrowed](crate#safety).
///
/// # References
///
/// [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html)
#[doc(alias = "mremap")]
#[inline]
pub unsafe fn mremap_fixed(
    old: *mut c_void,
    old_size: usize,
    new_size: usize,
    flags: RemapFlags,
    new_addr: *mut c_void,
) -> Result<NonNull<c_void>> {
    if new_addr.is_null() {
        return Err(Errno::INVAL);
    }
    let flags = flags.bits() | raw::MREMAP_FIXED;
    // SAFETY: the caller keeps the contract of mremap(2).
    unsafe { remap(old, old_size, new_size, flags, new_addr) }
}

/// `remap_file_pages(addr, size, 0, pgoff, flags)`—Shows other pages of the file in part of a shared map.
///
/// `addr` and `size` are in bytes, `pgoff` in pages; of the flags the kernel looks at `NONBLOCK` alone. Since Linux 4.0 the
/// call does what an [`mmap`] with `FIXED` does, and each part is a map of its own; new programs have no use for it.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{FallocateFlags, MapFlags, MemfdFlags, ProtFlags};
/// use mmarinus_sys::{fallocate, memfd_create, mmap, munmap, page_size, remap_file_pages};
///
/// let len = 2 * page_size();
/// let fd = memfd_create(c"two pages", MemfdFlags::CLOEXEC)?;
/// fallocate(&fd, FallocateFlags::empty(), 0, len as u64)?;
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, &fd, 0)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { remap_file_pages(addr.as_ptr(), page_size(), 1, MapFlags::empty())? };
/// // SAFETY: as above.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: the range is not within one shared map; `size` is less than a page; the offset overflows.
/// - `ENOMEM`: `vm.max_map_count`.
/// - `EPERM`: the range is sealed by `mseal`.
///
/// # Safety
///
/// - The range must be [owned](crate#safety) and [unborrowed](crate#safety).
/// - As for [`mmap`], what the bytes are is up to everyone who can write or truncate the file.
///
/// # References
///
/// [remap_file_pages(2)](https://man7.org/linux/man-pages/man2/remap_file_pages.2.html)
#[inline]
pub unsafe fn remap_file_pages(
    addr: *mut c_void,
    size: usize,
    pgoff: usize,
    flags: MapFlags,
) -> Result<()> {
    let args = [
        addr.expose_provenance(),
        size,
        0,
        pgoff,
        flags.bits() as usize,
        0,
    ];
    // SAFETY: the caller keeps the contract of remap_file_pages(2).
    let done = unsafe { syscall(raw::__NR_remap_file_pages as c_long, args) };
    done.map(drop)
}

/// `mremap` with all five arguments.
///
/// # Safety
///
/// As [`mremap_fixed`] with `MREMAP_FIXED`, as [`mremap`] without.
#[inline]
unsafe fn remap(
    old: *mut c_void,
    old_size: usize,
    new_size: usize,
    flags: u32,
    new_addr: *mut c_void,
) -> Result<NonNull<c_void>> {
    let args = [
        old.expose_provenance(),
        old_size,
        new_size,
        flags as usize,
        new_addr.expose_provenance(),
        0,
    ];
    // SAFETY: the caller keeps the contract of mremap(2).
    let map = unsafe { syscall(raw::__NR_mremap as c_long, args) };
    non_null(ptr::with_exposed_provenance_mut(map?))
}

/// Refuses a fixed place at address 0: Rust cannot use memory there.
#[inline]
fn check_fixed(addr: *mut c_void, flags: MapFlags) -> Result<()> {
    let fixed = flags.intersects(MapFlags::FIXED.union(MapFlags::FIXED_NOREPLACE));
    if fixed && addr.is_null() {
        return Err(Errno::INVAL);
    }
    Ok(())
}

/// The kernel chooses address 0 only if it is told to, and that was refused before the call.
#[inline]
fn non_null(map: *mut c_void) -> Result<NonNull<c_void>> {
    NonNull::new(map).ok_or(Errno::NOMEM)
}
