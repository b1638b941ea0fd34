//! Protection keys: rights to tagged pages that each thread changes for itself, without a system call.
#![expect(unsafe_code, reason = "keys take memory away from whoever uses it")]

use core::ffi::{c_long, c_void};

use bitflags::bitflags;
use linux_raw_sys::general as raw;

use crate::{MprotectFlags, Result, raw::syscall};

/// The number of a protection key.
///
/// # References
///
/// [pkeys(7)](https://man7.org/linux/man-pages/man7/pkeys.7.html)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Pkey(i32);

impl Pkey {
    /// -1: no key; [`pkey_mprotect`] with it is [`mprotect`](crate::mprotect).
    pub const NONE: Self = Self(-1);
    /// 0: the key of pages that were given none.
    pub const DEFAULT: Self = Self(0);

    /// Returns the key with a number of the kernel's.
    #[inline]
    #[must_use]
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// Returns the kernel's number.
    #[inline]
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

bitflags! {
    /// `PKEY_DISABLE_*`: what a thread may not do with the pages of a key.
    ///
    /// Bits that the kernel does not know are refused by [`pkey_alloc`] with `EINVAL`; unknown bits are passed through.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct PkeyRights: u32 {
        /// `PKEY_DISABLE_ACCESS`: neither read nor write; on x86 execution stays possible.
        const DISABLE_ACCESS = raw::PKEY_DISABLE_ACCESS;
        /// `PKEY_DISABLE_WRITE`: not write.
        const DISABLE_WRITE = raw::PKEY_DISABLE_WRITE;
        /// `PKEY_DISABLE_EXECUTE`: not execute (powerpc since Linux 4.16, aarch64 since Linux 6.12).
        #[cfg(any(target_arch = "aarch64", target_arch = "powerpc", target_arch = "powerpc64"))]
        const DISABLE_EXECUTE = raw::PKEY_DISABLE_EXECUTE;
        /// `PKEY_DISABLE_READ`: not read (aarch64, since Linux 6.12).
        #[cfg(target_arch = "aarch64")]
        const DISABLE_READ = raw::PKEY_DISABLE_READ;
        const _ = !0;
    }
}

impl PkeyRights {
    /// `PKEY_UNRESTRICTED`: all that the pages themselves allow.
    pub const UNRESTRICTED: Self = Self::empty();

    /// `PKEY_ACCESS_MASK`: the bits that this architecture has.
    #[cfg(target_arch = "aarch64")]
    pub const ACCESS_MASK: Self = Self::DISABLE_ACCESS
        .union(Self::DISABLE_WRITE)
        .union(Self::DISABLE_EXECUTE)
        .union(Self::DISABLE_READ);
    /// `PKEY_ACCESS_MASK`: the bits that this architecture has.
    #[cfg(any(target_arch = "powerpc", target_arch = "powerpc64"))]
    pub const ACCESS_MASK: Self = Self::DISABLE_ACCESS
        .union(Self::DISABLE_WRITE)
        .union(Self::DISABLE_EXECUTE);
    /// `PKEY_ACCESS_MASK`: the bits that this architecture has.
    #[cfg(not(any(
        target_arch = "aarch64",
        target_arch = "powerpc",
        target_arch = "powerpc64"
    )))]
    pub const ACCESS_MASK: Self = Self::DISABLE_ACCESS.union(Self::DISABLE_WRITE);
}

/// `pkey_alloc(0, rights)`—Takes a free protection key, and sets the calling thread's rights to it.
///
/// Since Linux 4.9. Other threads keep the rights they had, which is none unless the process changed that. x86 has 15 keys for
/// the taking.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, PkeyRights, pkey_alloc, pkey_free};
///
/// match pkey_alloc(PkeyRights::UNRESTRICTED) {
///     // SAFETY: no page was given the key.
///     Ok(key) => unsafe { pkey_free(key)? },
///     Err(Errno::INVAL | Errno::NOSPC | Errno::NOSYS) => println!("this machine has no protection keys"),
///     Err(other) => return Err(other),
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: the rights have a bit that this architecture lacks; the CPU has no protection keys (the first call).
/// - `ENOSPC`: all keys are taken; the CPU has no protection keys (later calls).
/// - `ENOSYS`: the kernel is built without them.
///
/// # References
///
/// [pkey_alloc(2)](https://man7.org/linux/man-pages/man2/pkey_alloc.2.html)
#[inline]
pub fn pkey_alloc(rights: PkeyRights) -> Result<Pkey> {
    let args = [0, rights.bits() as usize, 0, 0, 0, 0];
    // SAFETY: a key that was free before tags no page that somebody uses, see `pkey_free`.
    let key = unsafe { syscall(raw::__NR_pkey_alloc as c_long, args)? };
    Ok(Pkey(key as i32))
}

/// `pkey_free(pkey)`—Gives a protection key back.
///
/// Since Linux 4.9. Pages keep their tag, so that whoever takes the key next decides about them.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, PkeyRights, pkey_alloc, pkey_free};
///
/// if let Ok(key) = pkey_alloc(PkeyRights::UNRESTRICTED) {
///     // SAFETY: no page was given the key.
///     unsafe { pkey_free(key)? };
///     // SAFETY: it is nobody's key now.
///     assert_eq!(unsafe { pkey_free(key) }, Err(Errno::INVAL));
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: the key is not taken, or the machine has none.
/// - `ENOSYS`: the kernel is built without protection keys.
///
/// # Safety
///
/// The key must be the caller's, and no page that anybody uses may carry it.
///
/// # References
///
/// [pkey_free(2)](https://man7.org/linux/man-pages/man2/pkey_free.2.html)
#[inline]
pub unsafe fn pkey_free(pkey: Pkey) -> Result<()> {
    // SAFETY: the caller keeps the contract of pkey_free(2).
    let done = unsafe {
        syscall(
            raw::__NR_pkey_free as c_long,
            [pkey.0 as usize, 0, 0, 0, 0, 0],
        )
    };
    done.map(drop)
}

/// `pkey_mprotect(addr, len, prot, pkey)`—Changes what the pages of a range allow, and tags them with a key.
///
/// Since Linux 4.9. `addr` is page aligned; `len` is in bytes and is rounded up to pages. With [`Pkey::NONE`] the call is
/// [`mprotect`](crate::mprotect), on every machine.
///
/// System calls that copy from and to the pages heed the thread's rights, with `EFAULT`; `process_vm_readv` and `/proc/PID/mem`
/// do not. Signal handlers start with the rights of a new process.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{MapFlags, MprotectFlags, Pkey, ProtFlags, mmap_anonymous, munmap, page_size, pkey_mprotect};
///
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::empty(), MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours, and nobody borrows from it.
/// unsafe { pkey_mprotect(addr.as_ptr(), len, MprotectFlags::READ, Pkey::NONE)? };
/// // SAFETY: as above.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// As [`mprotect`](crate::mprotect), and:
///
/// - `EINVAL`: the key is not taken, or the machine has none.
/// - `ENOSYS`: the kernel is built without protection keys.
///
/// # Safety
///
/// - As [`mprotect`](crate::mprotect).
/// - Every thread that holds a reference into the range must keep the rights to the key that the reference needs.
///
/// # References
///
/// [pkey_mprotect(2)](https://man7.org/linux/man-pages/man2/pkey_mprotect.2.html)
#[inline]
pub unsafe fn pkey_mprotect(
    addr: *mut c_void,
    len: usize,
    prot: MprotectFlags,
    pkey: Pkey,
) -> Result<()> {
    let args = [
        addr.expose_provenance(),
        len,
        prot.bits() as usize,
        pkey.0 as usize,
        0,
        0,
    ];
    // SAFETY: the caller keeps the contract of pkey_mprotect(2).
    let done = unsafe { syscall(raw::__NR_pkey_mprotect as c_long, args) };
    done.map(drop)
}

/// `rdpkru`—Returns the calling thread's rights to all keys: two bits for each, `PKEY_DISABLE_*` of key 0 lowest.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{PkeyRights, pkey_alloc, pkey_free, rdpkru};
///
/// if let Ok(key) = pkey_alloc(PkeyRights::DISABLE_WRITE) {
///     // SAFETY: `pkey_alloc` has shown that CPU and kernel have protection keys.
///     let pkru = unsafe { rdpkru() };
///     assert_eq!(pkru >> (2 * key.as_raw()) & 3, PkeyRights::DISABLE_WRITE.bits());
///     // SAFETY: no page was given the key.
///     unsafe { pkey_free(key)? };
/// }
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Safety
///
/// CPU and kernel must have protection keys (CPUID says OSPKE, or [`pkey_alloc`] succeeded once); else it is `SIGILL`.
///
/// # References
///
/// [pkeys(7)](https://man7.org/linux/man-pages/man7/pkeys.7.html)
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[inline]
#[must_use]
pub unsafe fn rdpkru() -> u32 {
    let pkru;
    // SAFETY:
    // - The caller answers for the CPU.
    // - `rdpkru` wants 0 in ecx, and overwrites eax and edx alone.
    unsafe {
        core::arch::asm!(
            "rdpkru",
            in("ecx") 0,
            out("eax") pkru,
            out("edx") _,
            options(nostack, preserves_flags),
        );
    }
    pkru
}

/// `wrpkru`—Sets the calling thread's rights to all keys at once.
///
/// Read them with [`rdpkru`], and change the two bits of one key; for all 16 keys are in this one register.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{PkeyRights, pkey_alloc, pkey_free, rdpkru, wrpkru};
///
/// if let Ok(key) = pkey_alloc(PkeyRights::UNRESTRICTED) {
///     let no_access = PkeyRights::DISABLE_ACCESS.bits() << (2 * key.as_raw());
///     // SAFETY: `pkey_alloc` has shown that CPU and kernel have protection keys.
///     let before = unsafe { rdpkru() };
///     // SAFETY: as above, and no page was given this key.
///     unsafe { wrpkru(before | no_access) };
///     // SAFETY: as above.
///     unsafe { wrpkru(before) };
///     // SAFETY: no page was given the key.
///     unsafe { pkey_free(key)? };
/// }
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Safety
///
/// - As [`rdpkru`].
/// - The thread must not lose a right that a reference it uses needs; key 0 is the one of the stack and of all other memory.
///
/// # References
///
/// [pkeys(7)](https://man7.org/linux/man-pages/man7/pkeys.7.html)
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[inline]
pub unsafe fn wrpkru(pkru: u32) {
    // SAFETY:
    // - The caller answers for the CPU, and for the rights that are lost.
    // - `wrpkru` wants 0 in ecx and edx, and overwrites no register that the compiler knows.
    // - The block may read and write memory, so the compiler moves no access across it.
    unsafe {
        core::arch::asm!(
            "wrpkru",
            in("eax") pkru,
            in("ecx") 0,
            in("edx") 0,
            options(nostack, preserves_flags),
        );
    }
}
