//! Cache lines of x86_64: `clwb`, `clflushopt` or `clflush`, whichever the CPU has, and `sfence`.

use core::arch::asm;
use core::arch::x86_64::__cpuid_count;
use core::sync::atomic::{AtomicU16, Ordering};

/// What the CPU answered: the size of a line in bytes, with the number of the best instruction in the low bits; 0 if it was not
/// asked.
static ANSWER: AtomicU16 = AtomicU16::new(0);

/// The instructions, from the one that every CPU has to the one that keeps the line in the cache.
const CLFLUSH: u16 = 0;
const CLFLUSHOPT: u16 = 1;
const CLWB: u16 = 2;

/// The bits of the answer that hold the instruction.
const INSTRUCTION: u16 = 3;

/// Asks the CPU, once.
fn answer() -> u16 {
    match ANSWER.load(Ordering::Relaxed) {
        0 => ask(),
        known => known,
    }
}

#[cold]
fn ask() -> u16 {
    #[allow(
        unused_unsafe,
        reason = "asking the CPU is safe from some Rust release on, which is newer than our oldest"
    )]
    // SAFETY: every CPU of x86_64 has the instruction, and answers a leaf that it does not know with zeros or others' bits.
    let cpuid = |leaf| unsafe { __cpuid_count(leaf, 0) };
    let highest = cpuid(0).eax;
    // In units of 8 bytes, bits 8 to 15; every CPU of x86_64 has lines of at least 32 bytes.
    let line = ((cpuid(1).ebx >> 8) & 0xff) as u16 * 8;
    let line = if line.is_power_of_two() && line >= 32 {
        line
    } else {
        32
    };
    let features = if highest >= 7 { cpuid(7).ebx } else { 0 };
    let best = match (features >> 24 & 1, features >> 23 & 1) {
        (1, _) => CLWB,
        (_, 1) => CLFLUSHOPT,
        _ => CLFLUSH,
    };
    ANSWER.store(line | best, Ordering::Relaxed);
    line | best
}

/// The size of a line in bytes, a power of two.
#[inline]
pub(super) fn line() -> usize {
    (answer() & !INSTRUCTION).into()
}

/// Starts to write a line back.
///
/// # Safety
///
/// The line is readable without a fault.
#[inline]
pub(super) unsafe fn write_back(line: *const u8) {
    match answer() & INSTRUCTION {
        CLWB => {
            // SAFETY: the CPU has the instruction, which changes no byte; the caller vouches for the line.
            unsafe { asm!("clwb [{0}]", in(reg) line, options(nostack, preserves_flags)) };
        }
        CLFLUSHOPT => {
            // SAFETY: as above.
            unsafe { asm!("clflushopt [{0}]", in(reg) line, options(nostack, preserves_flags)) };
        }
        _ => {
            // SAFETY: as above; every CPU of x86_64 has this one.
            unsafe { asm!("clflush [{0}]", in(reg) line, options(nostack, preserves_flags)) };
        }
    }
}

/// Waits until what was started is done, before anything that is stored later.
#[inline]
pub(super) fn wait() {
    // SAFETY: a fence touches nothing.
    unsafe { asm!("sfence", options(nostack, preserves_flags)) };
}
