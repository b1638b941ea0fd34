//! Rules for all memory of the process: no new executable memory, transparent huge pages, merging of equal pages.
#![expect(unsafe_code, reason = "a call by number has no safe form")]

use bitflags::bitflags;
use linux_raw_sys::{general, prctl as raw};

use crate::Result;
use crate::raw::syscall;

/// `PR_THP_DISABLE_EXCEPT_ADVISED`, which is newer than the bindings; the same on every architecture.
const PR_THP_DISABLE_EXCEPT_ADVISED: u32 = 1 << 1;

bitflags! {
    /// `PR_MDWE_*`: memory-deny-write-execute (since Linux 6.3).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MdweFlags: u32 {
        /// `PR_MDWE_REFUSE_EXEC_GAIN`: no map is both writable and executable, and none becomes executable later.
        const REFUSE_EXEC_GAIN = raw::PR_MDWE_REFUSE_EXEC_GAIN;
        /// `PR_MDWE_NO_INHERIT`: children are free of it; together with `REFUSE_EXEC_GAIN` only (since Linux 6.6).
        const NO_INHERIT = raw::PR_MDWE_NO_INHERIT;
        const _ = !0;
    }
}

bitflags! {
    /// The second and third argument of `PR_SET_THP_DISABLE` in one, as `PR_GET_THP_DISABLE` returns them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct ThpDisable: u32 {
        /// The process gets no transparent huge pages.
        const DISABLED = 1;
        /// `PR_THP_DISABLE_EXCEPT_ADVISED`: but where `MADV_HUGEPAGE` or `MADV_COLLAPSE` asks for them it does; together with
        /// `DISABLED` only (since Linux 6.18).
        const EXCEPT_ADVISED = PR_THP_DISABLE_EXCEPT_ADVISED;
        const _ = !0;
    }
}

/// Calls `prctl(2)`; arguments that an option does not use must be 0.
///
/// # Safety
///
/// Whatever the option demands.
unsafe fn prctl(option: u32, args: [usize; 2]) -> Result<usize> {
    let [second, third] = args;
    // SAFETY: the caller answers for the option.
    unsafe {
        syscall(
            general::__NR_prctl as _,
            [option as usize, second, third, 0, 0, 0],
        )
    }
}

/// `prctl(PR_SET_MDWE, flags, 0, 0, 0)`—Refuses new executable memory from now on (since Linux 6.3).
///
/// Later calls of `mmap` for memory that is writable and executable, and of `mprotect` that make memory executable, fail with
/// `EACCES`. It cannot be taken back. Two maps of one memfd, one writable and one executable, still work.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MapFlags, MdweFlags, ProtFlags, mmap_anonymous, page_size, set_mdwe};
///
/// match set_mdwe(MdweFlags::REFUSE_EXEC_GAIN) {
///     Ok(()) => {
///         let prot = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
///         // SAFETY: no address is asked for, so nothing is replaced.
///         let map = unsafe { mmap_anonymous(core::ptr::null_mut(), page_size(), prot, MapFlags::PRIVATE) };
///         assert_eq!(map, Err(Errno::ACCESS)); // from now on, for all of the process
///     }
///     Err(errno) => assert_eq!(errno, Errno::INVAL), // an older kernel
/// }
/// ```
///
/// # Errors
///
/// - `EINVAL`: a flag is unknown, `NO_INHERIT` stands alone, or the kernel is older than 6.3 (6.6 for `NO_INHERIT`) or its
///   architecture has no such rule.
/// - `EPERM`: other flags are set already, or are to be taken back.
///
/// # References
///
/// [PR_SET_MDWE(2const)](https://man7.org/linux/man-pages/man2/PR_SET_MDWE.2const.html)
#[doc(alias = "prctl")]
#[doc(alias = "PR_SET_MDWE")]
pub fn set_mdwe(flags: MdweFlags) -> Result<()> {
    // SAFETY: later calls are refused; no memory changes.
    unsafe { prctl(raw::PR_SET_MDWE, [flags.bits() as usize, 0])? };
    Ok(())
}

/// `prctl(PR_GET_MDWE, 0, 0, 0, 0)`—Returns whether new executable memory is refused (since Linux 6.3).
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, get_mdwe};
///
/// match get_mdwe() {
///     Ok(flags) => println!("{flags:?}"),
///     Err(errno) => assert_eq!(errno, Errno::INVAL), // an older kernel
/// }
/// ```
///
/// # Errors
///
/// - `EINVAL`: the kernel is older than 6.3.
///
/// # References
///
/// [PR_GET_MDWE(2const)](https://man7.org/linux/man-pages/man2/PR_GET_MDWE.2const.html)
#[doc(alias = "prctl")]
#[doc(alias = "PR_GET_MDWE")]
pub fn get_mdwe() -> Result<MdweFlags> {
    // SAFETY: a question changes nothing.
    let flags = unsafe { prctl(raw::PR_GET_MDWE, [0, 0])? };
    Ok(MdweFlags::from_bits_retain(flags as u32))
}

/// `prctl(PR_SET_THP_DISABLE, disable, flags, 0, 0)`—Keeps transparent huge pages from the process, or allows them again.
///
/// An empty set allows them. Children inherit it. Huge pages that are there stay.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, ThpDisable, get_thp_disable, set_thp_disable};
///
/// // For all of the process.
/// match set_thp_disable(ThpDisable::DISABLED | ThpDisable::EXCEPT_ADVISED) {
///     Err(Errno::INVAL) => set_thp_disable(ThpDisable::DISABLED)?, // a kernel older than 6.18
///     set => set?,
/// }
/// assert!(get_thp_disable()?.contains(ThpDisable::DISABLED));
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINTR`: a signal that kills came.
/// - `EINVAL`: a flag is unknown or stands without `DISABLED`, or the kernel is older than 6.18 for `EXCEPT_ADVISED`.
///
/// # References
///
/// [PR_SET_THP_DISABLE(2const)](https://man7.org/linux/man-pages/man2/PR_SET_THP_DISABLE.2const.html)
#[doc(alias = "prctl")]
#[doc(alias = "PR_SET_THP_DISABLE")]
#[doc(alias = "PR_THP_DISABLE_EXCEPT_ADVISED")]
pub fn set_thp_disable(disable: ThpDisable) -> Result<()> {
    let on = usize::from(disable.contains(ThpDisable::DISABLED));
    let flags = disable.difference(ThpDisable::DISABLED).bits() as usize;
    // SAFETY: which size of page the kernel picks changes no byte.
    unsafe { prctl(raw::PR_SET_THP_DISABLE, [on, flags])? };
    Ok(())
}

/// `prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)`—Returns whether transparent huge pages are kept from the process.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::get_thp_disable;
///
/// println!("{:?}", get_thp_disable()?);
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// None that the kernel documents.
///
/// # References
///
/// [PR_GET_THP_DISABLE(2const)](https://man7.org/linux/man-pages/man2/PR_GET_THP_DISABLE.2const.html)
#[doc(alias = "prctl")]
#[doc(alias = "PR_GET_THP_DISABLE")]
pub fn get_thp_disable() -> Result<ThpDisable> {
    // SAFETY: a question changes nothing.
    let disable = unsafe { prctl(raw::PR_GET_THP_DISABLE, [0, 0])? };
    Ok(ThpDisable::from_bits_retain(disable as u32))
}

/// `prctl(PR_SET_MEMORY_MERGE, merge, 0, 0, 0)`—Lets the kernel merge equal pages of all private anonymous memory of the
/// process (KSM), or stops that and takes merged pages apart again (since Linux 6.4).
///
/// Equal pages are shared until one is written, so how long a write takes tells what other pages hold.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, get_memory_merge, set_memory_merge};
///
/// // SAFETY: no other thread moves pages.
/// match unsafe { set_memory_merge(true) } {
///     Ok(()) => assert!(get_memory_merge()?), // for all of the process
///     Err(errno) => assert_eq!(errno, Errno::INVAL), // an older kernel, or one without KSM
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINTR`: a signal that kills came.
/// - `EINVAL`: the kernel is older than 6.4 or built without KSM.
/// - `ENOMEM`: no memory for the work.
///
/// # Safety
///
/// If merging is turned on, no other thread is in a move to a fixed place ([`mremap_fixed`](crate::mremap_fixed)) that rests on
/// its pages not being merged: a signal then ends the move after its target was unmapped, or makes it begin anew and unmap what
/// another thread has mapped there.
///
/// # References
///
/// [PR_SET_MEMORY_MERGE(2const)](https://man7.org/linux/man-pages/man2/PR_SET_MEMORY_MERGE.2const.html)
#[doc(alias = "prctl")]
#[doc(alias = "PR_SET_MEMORY_MERGE")]
pub unsafe fn set_memory_merge(merge: bool) -> Result<()> {
    // SAFETY: merged pages keep their bytes, and the caller answers for moves that are under way.
    unsafe { prctl(raw::PR_SET_MEMORY_MERGE, [usize::from(merge), 0])? };
    Ok(())
}

/// `prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0)`—Returns whether equal pages of the process are merged (since Linux 6.4).
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, get_memory_merge};
///
/// match get_memory_merge() {
///     Ok(merge) => println!("{merge}"),
///     Err(errno) => assert_eq!(errno, Errno::INVAL), // an older kernel, or one without KSM
/// }
/// ```
///
/// # Errors
///
/// - `EINVAL`: the kernel is older than 6.4 or built without KSM.
///
/// # References
///
/// [PR_GET_MEMORY_MERGE(2const)](https://man7.org/linux/man-pages/man2/PR_GET_MEMORY_MERGE.2const.html)
#[doc(alias = "prctl")]
#[doc(alias = "PR_GET_MEMORY_MERGE")]
pub fn get_memory_merge() -> Result<bool> {
    // SAFETY: a question changes nothing.
    let merge = unsafe { prctl(raw::PR_GET_MEMORY_MERGE, [0, 0])? };
    Ok(merge != 0)
}
