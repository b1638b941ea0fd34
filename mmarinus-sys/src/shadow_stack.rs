//! Shadow stacks: memory that only calls and returns write, where the architecture has it.
#![expect(unsafe_code, reason = "a call by number has no safe form")]

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use bitflags::bitflags;
use linux_raw_sys::general as raw;

use crate::raw::syscall;
use crate::{Errno, Result};

bitflags! {
    /// `SHADOW_STACK_*`: what a new shadow stack holds.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct ShadowStackFlags: u32 {
        /// `SHADOW_STACK_SET_TOKEN`: at its top a token that lets a thread switch to it (since Linux 6.6).
        const SET_TOKEN = raw::SHADOW_STACK_SET_TOKEN;
        /// `SHADOW_STACK_SET_MARKER`: at its top a mark of where it ends, above the token (aarch64, since Linux 6.13).
        const SET_MARKER = raw::SHADOW_STACK_SET_MARKER;
        const _ = !0;
    }
}

/// `map_shadow_stack(addr, size, flags)`—Maps a shadow stack, and returns its lowest address (x86 since Linux 6.6, aarch64
/// since Linux 6.13).
///
/// `addr` is null, and the kernel chooses, or a page aligned address where nothing is mapped. `size` is in bytes and is
/// rounded up to pages; with `SET_TOKEN` it is a multiple of 8, and the token lies at its end. To unmap it, call
/// [`munmap`](crate::munmap).
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{ShadowStackFlags, map_shadow_stack, munmap, page_size};
///
/// match map_shadow_stack(core::ptr::null_mut(), page_size(), ShadowStackFlags::SET_TOKEN) {
///     // SAFETY: the range is ours, and no thread runs on it.
///     Ok(stack) => unsafe { munmap(stack.as_ptr(), page_size())? },
///     Err(errno) => println!("not here: {errno}"),
/// }
/// # Ok::<(), mmarinus_sys::Errno>(())
/// ```
///
/// # Errors
///
/// - `EEXIST`: something is mapped at `addr`.
/// - `EINVAL`: a flag is unknown, `addr` is not page aligned, or `size` is too small for what the flags put there.
/// - `ENOMEM`: no room of this length, or `vm.max_map_count`.
/// - `ENOSPC`: `size` is less than 8 bytes with `SET_TOKEN` (x86).
/// - `ENOSYS`: the kernel is older, or built without shadow stacks.
/// - `EOPNOTSUPP`: the CPU has none.
/// - `EOVERFLOW`: `size` overflows when it is rounded up.
/// - `ERANGE`: `addr` is below 4 GiB (x86).
///
/// # References
///
/// [Shadow stacks on x86](https://docs.kernel.org/arch/x86/shstk.html),
/// [Guarded control stacks on aarch64](https://docs.kernel.org/arch/arm64/gcs.html)
pub fn map_shadow_stack(
    addr: *mut c_void,
    size: usize,
    flags: ShadowStackFlags,
) -> Result<NonNull<c_void>> {
    let args = [
        addr.expose_provenance(),
        size,
        flags.bits() as usize,
        0,
        0,
        0,
    ];
    // SAFETY:
    // - The kernel never replaces a map here: where something is mapped, the call fails.
    // - Should a stack grow into the map, its first write there is a signal, since only calls and returns write to it.
    let addr = unsafe { syscall(raw::__NR_map_shadow_stack as _, args)? };
    // The kernel never chooses address 0.
    NonNull::new(ptr::with_exposed_provenance_mut(addr)).ok_or(Errno::NOMEM)
}
