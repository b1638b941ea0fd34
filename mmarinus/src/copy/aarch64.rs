//! Copies that the compiler does not see, for aarch64: pairs of vector registers, then what is left by halves.
//!
//! Whatever other threads or processes do to the bytes meanwhile, these are not loads and stores of Rust's memory model: the copy
//! may mix old and new bytes, and that is all.

use core::arch::asm;

/// Copies `len` bytes.
///
/// # Safety
///
/// `from` is readable and `to` is writable for `len` bytes without a fault; they do not overlap.
#[inline]
pub(super) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: as the caller promises: each branch moves as many bytes as it takes from the length.
    unsafe {
        asm!(
            "2:",
            "subs {len}, {len}, #64",
            "b.lo 3f",
            "ldp {a:q}, {b:q}, [{from}], #32",
            "ldp {c:q}, {d:q}, [{from}], #32",
            "stp {a:q}, {b:q}, [{to}], #32",
            "stp {c:q}, {d:q}, [{to}], #32",
            "b 2b",
            // The low six bits of the length are what is left: 32, 16, 8, 4, 2 and 1 bytes.
            "3:",
            "tbz {len}, #5, 4f",
            "ldp {a:q}, {b:q}, [{from}], #32",
            "stp {a:q}, {b:q}, [{to}], #32",
            "4:",
            "tbz {len}, #4, 5f",
            "ldr {a:q}, [{from}], #16",
            "str {a:q}, [{to}], #16",
            "5:",
            "tbz {len}, #3, 6f",
            "ldr {word:x}, [{from}], #8",
            "str {word:x}, [{to}], #8",
            "6:",
            "tbz {len}, #2, 7f",
            "ldr {word:w}, [{from}], #4",
            "str {word:w}, [{to}], #4",
            "7:",
            "tbz {len}, #1, 8f",
            "ldrh {word:w}, [{from}], #2",
            "strh {word:w}, [{to}], #2",
            "8:",
            "tbz {len}, #0, 9f",
            "ldrb {word:w}, [{from}]",
            "strb {word:w}, [{to}]",
            "9:",
            len = inout(reg) len => _,
            to = inout(reg) to => _,
            from = inout(reg) from => _,
            word = out(reg) _,
            a = out(vreg) _,
            b = out(vreg) _,
            c = out(vreg) _,
            d = out(vreg) _,
            options(nostack),
        );
    }
}
