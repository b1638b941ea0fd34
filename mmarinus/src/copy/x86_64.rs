//! Copies that the compiler does not see, for x86_64: SSE2 below 512 bytes, `rep movsb` from there on where the CPU is fast
//! at it.
//!
//! Whatever other threads or processes do to the bytes meanwhile, these are not loads and stores of Rust's memory model: the copy
//! may mix old and new bytes, and that is all.

use core::arch::asm;
use core::arch::x86_64::__cpuid_count;
use core::sync::atomic::{AtomicU8, Ordering};

/// From this length in bytes on, `rep movsb` is faster than the SSE2 loop.
const STRING_FROM: usize = 512;

/// Copies `len` bytes.
///
/// # Safety
///
/// `from` is readable and `to` is writable for `len` bytes without a fault; they do not overlap.
#[inline]
pub(super) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    if len >= STRING_FROM && has_fast_strings() {
        // SAFETY: as the caller promises; the direction flag is clear on entry to every block of assembly.
        unsafe {
            asm!(
                "rep movsb",
                inout("rcx") len => _,
                inout("rdi") to => _,
                inout("rsi") from => _,
                options(nostack, preserves_flags),
            );
        }
    } else {
        // SAFETY: as the caller promises: each branch moves as many bytes as it takes from the length.
        unsafe {
            asm!(
                "2:",
                "sub {len}, 64",
                "jb 3f",
                "movdqu {a}, [{from}]",
                "movdqu {b}, [{from} + 16]",
                "movdqu {c}, [{from} + 32]",
                "movdqu {d}, [{from} + 48]",
                "movdqu [{to}], {a}",
                "movdqu [{to} + 16], {b}",
                "movdqu [{to} + 32], {c}",
                "movdqu [{to} + 48], {d}",
                "add {from}, 64",
                "add {to}, 64",
                "jmp 2b",
                // The low six bits of the length are what is left: 32, 16, 8, 4, 2 and 1 bytes.
                "3:",
                "test {len:l}, 32",
                "jz 4f",
                "movdqu {a}, [{from}]",
                "movdqu {b}, [{from} + 16]",
                "movdqu [{to}], {a}",
                "movdqu [{to} + 16], {b}",
                "add {from}, 32",
                "add {to}, 32",
                "4:",
                "test {len:l}, 16",
                "jz 5f",
                "movdqu {a}, [{from}]",
                "movdqu [{to}], {a}",
                "add {from}, 16",
                "add {to}, 16",
                "5:",
                "test {len:l}, 8",
                "jz 6f",
                "mov {word}, qword ptr [{from}]",
                "mov qword ptr [{to}], {word}",
                "add {from}, 8",
                "add {to}, 8",
                "6:",
                "test {len:l}, 4",
                "jz 7f",
                "mov {word:e}, dword ptr [{from}]",
                "mov dword ptr [{to}], {word:e}",
                "add {from}, 4",
                "add {to}, 4",
                "7:",
                "test {len:l}, 2",
                "jz 8f",
                "movzx {word:e}, word ptr [{from}]",
                "mov word ptr [{to}], {word:x}",
                "add {from}, 2",
                "add {to}, 2",
                "8:",
                "test {len:l}, 1",
                "jz 9f",
                "movzx {word:e}, byte ptr [{from}]",
                "mov byte ptr [{to}], {word:l}",
                "9:",
                len = inout(reg) len => _,
                to = inout(reg) to => _,
                from = inout(reg) from => _,
                word = out(reg) _,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack),
            );
        }
    }
}

/// Whether the CPU says that `rep movsb` is fast (ERMS). Asked once; `cpuid` is slow in virtual machines.
#[inline]
fn has_fast_strings() -> bool {
    const UNASKED: u8 = 2;
    static ANSWER: AtomicU8 = AtomicU8::new(UNASKED);

    #[cold]
    fn ask() -> bool {
        #[allow(
            unused_unsafe,
            reason = "asking the CPU is safe from some Rust release on, which is newer than our oldest"
        )]
        // SAFETY: every x86_64 CPU has `cpuid`; leaf 0 says how many leaves there are.
        let leaves = unsafe { __cpuid_count(0, 0) }.eax;
        #[allow(unused_unsafe, reason = "as above")]
        // SAFETY: as above; the leaf is only believed if it exists.
        let features = unsafe { __cpuid_count(7, 0) }.ebx;
        let fast = leaves >= 7 && features & 1 << 9 != 0;
        ANSWER.store(u8::from(fast), Ordering::Relaxed);
        fast
    }

    match ANSWER.load(Ordering::Relaxed) {
        UNASKED => ask(),
        answer => answer == 1,
    }
}
