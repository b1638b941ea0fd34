//! Cache lines of aarch64: `dc cvap` where the CPU has it, else `dc cvac`, and `dsb`.

use core::arch::asm;

/// The bit of the kernel's first word about the CPU that says that it has `dc cvap`.
const HWCAP_DCPOP: usize = 1 << 16;

/// The size of the smallest line in bytes, a power of two.
#[inline]
pub(super) fn line() -> usize {
    let register: usize;
    // SAFETY: Linux lets programs read this register, which holds the sizes of lines.
    unsafe {
        asm!("mrs {0}, ctr_el0", out(reg) register, options(nomem, nostack, preserves_flags));
    }
    4 << ((register >> 16) & 0xf)
}

/// Starts to write a line back.
///
/// # Safety
///
/// The line is readable without a fault.
#[inline]
pub(super) unsafe fn write_back(line: *const u8) {
    if rustix::param::linux_hwcap().0 & HWCAP_DCPOP != 0 {
        // SAFETY: the CPU has the instruction (`dc cvap`), which changes no byte; the caller vouches for the line.
        unsafe {
            asm!("sys #3, c7, c12, #1, {0}", in(reg) line, options(nostack, preserves_flags))
        };
    } else {
        // SAFETY: as above; every CPU of aarch64 has this one, and Linux lets programs use it.
        unsafe { asm!("dc cvac, {0}", in(reg) line, options(nostack, preserves_flags)) };
    }
}

/// Waits until what was started is done.
#[inline]
pub(super) fn wait() {
    // SAFETY: a barrier touches nothing.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}
