//! Names of anonymous maps, as `/proc/PID/maps` shows them.
#![expect(unsafe_code, reason = "a call by number has no safe form")]

use core::ffi::{CStr, c_void};

use linux_raw_sys::{general, prctl as raw};

use crate::Result;
use crate::raw::syscall;

/// `prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, addr, len, name)`—Names anonymous memory (since Linux 5.17).
///
/// `/proc/PID/maps` then shows `[anon:name]`, or `[anon_shmem:name]` for shared memory (since Linux 6.2). `None` takes the
/// name away. `addr` is page aligned; `len` is in bytes and is rounded up to pages; the pages need no permission.
///
/// Maps side by side with different names are not merged, so a name can cost a mapping of `vm.max_map_count`. Many kernels
/// are built without names: treat a failure as of no importance.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MapFlags, ProtFlags, mmap_anonymous, munmap, page_size, set_vma_anon_name};
///
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::empty(), MapFlags::PRIVATE)? };
/// match set_vma_anon_name(addr.as_ptr(), len, Some(c"guest ram")) {
///     Ok(()) => println!("named"),
///     Err(errno) => assert_eq!(errno, Errno::INVAL), // a kernel without names
/// }
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EBADF`: part of the range is a map of a file.
/// - `EINVAL`: the kernel is older than 5.17 or built without names; `addr` is not page aligned; `len` overflows; the name is
///   longer than 79 bytes, or has a byte that cannot be printed or is one of `[`, `]`, `\`, `$`, `` ` ``.
/// - `ENOMEM`: part of the range is not mapped (the rest has its name), or the change would need more mappings than
///   `vm.max_map_count`.
///
/// # References
///
/// [PR_SET_VMA(2const)](https://man7.org/linux/man-pages/man2/PR_SET_VMA.2const.html)
#[doc(alias = "prctl")]
#[doc(alias = "PR_SET_VMA")]
#[doc(alias = "PR_SET_VMA_ANON_NAME")]
pub fn set_vma_anon_name(addr: *mut c_void, len: usize, name: Option<&CStr>) -> Result<()> {
    let name = name.map_or(0, |name| name.as_ptr().expose_provenance());
    let args = [
        raw::PR_SET_VMA as usize,
        raw::PR_SET_VMA_ANON_NAME as usize,
        addr.addr(),
        len,
        name,
        0,
    ];
    // SAFETY:
    // - A name changes no page and no permission.
    // - `name` is 0 or the address of a string with a zero byte at its end, which the kernel copies.
    unsafe { syscall(general::__NR_prctl as _, args)? };
    Ok(())
}
