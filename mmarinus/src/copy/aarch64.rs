//! The copy in assembly for aarch64: pairs of vector registers, and overlapping blocks at the two ends.
//!
//! Whatever other threads or processes do to the bytes meanwhile, these are not loads and stores of Rust's memory model: the copy
//! may mix old and new bytes, and that is all.
//!
//! Each routine is a range of instructions of a known length with a fix-up behind it. The handler of [`crate::fault`] lets a
//! routine that faults go on at its fix-up, which returns how far it came. That works since these hold at each instruction
//! that touches memory:
//!
//! - `x0` is the position in the target: all bytes before it are copied, and none behind it but what the copy writes again.
//! - `x2` is the length and `x4` the first byte of the map's side, as the caller gave them.
//! - The stack and the link register are as they were on entry, so that `ret` returns to the caller.

use core::arch::naked_asm;

/// The length of [`by_blocks`] in bytes, without its fix-up.
const BLOCKS_LEN: usize = 240;

/// The length of [`by_bytes`] in bytes, without its fix-up.
#[cfg(feature = "fault-handler")]
const BYTES_LEN: usize = 28;

/// Copies `len` bytes, and returns where in the target it stopped: at its end, unless a fault was caught before.
///
/// # Safety
///
/// - `from` is readable and `to` is writable for `len` bytes; they do not overlap.
/// - An access does not fault, unless it is to the side that begins at `map`, and the handler is installed.
#[inline]
pub(super) unsafe fn copy(to: *mut u8, from: *const u8, len: usize, map: *const u8) -> *mut u8 {
    // SAFETY: as the caller promises.
    unsafe { by_blocks(to, from, len, len, map) }
}

/// Copies like [`copy`], byte by byte, so that it stops exactly before the byte that faults.
///
/// # Safety
///
/// As for [`copy`].
#[cfg(feature = "fault-handler")]
pub(super) unsafe fn copy_bytes(
    to: *mut u8,
    from: *const u8,
    len: usize,
    map: *const u8,
) -> *mut u8 {
    // SAFETY: as the caller promises.
    unsafe { by_bytes(to, from, len, len, map) }
}

/// Copies like [`copy`], byte by byte, as memory of devices is not read by wide or unaligned loads.
///
/// # Safety
///
/// As for [`copy`].
#[cfg(feature = "fault-handler")]
pub(super) unsafe fn copy_device(
    to: *mut u8,
    from: *const u8,
    len: usize,
    map: *const u8,
) -> *mut u8 {
    // SAFETY: as the caller promises.
    unsafe { by_bytes(to, from, len, len, map) }
}

/// Copies `len` bytes by blocks; `count` is the same as `len`.
///
/// Up to 64 bytes are loaded before the first is stored, and the blocks at the two ends may overlap. The stores ascend, so that
/// the first one to fault is the lowest.
#[unsafe(naked)]
unsafe extern "C" fn by_blocks(
    to: *mut u8,
    from: *const u8,
    len: usize,
    count: usize,
    map: *const u8,
) -> *mut u8 {
    naked_asm!(
        "20:",
        // `bti c`, which older CPUs take for nothing.
        "hint #34",
        "add x5, x1, x2",
        "add x6, x0, x2",
        "cmp x2, #32",
        "b.hi 3f",
        "cmp x2, #16",
        "b.lo 6f",
        // 16 to 32 bytes.
        "ldr q0, [x1]",
        "ldur q1, [x5, #-16]",
        "str q0, [x0]",
        "stur q1, [x6, #-16]",
        "mov x0, x6",
        "ret",
        "3:",
        "cmp x2, #64",
        "b.hi 5f",
        // 33 to 64 bytes.
        "ldp q0, q1, [x1]",
        "ldp q2, q3, [x5, #-32]",
        "stp q0, q1, [x0]",
        "stp q2, q3, [x6, #-32]",
        "mov x0, x6",
        "ret",
        // Blocks of 64 bytes while more than one is left; `x3` counts what is left.
        "5:",
        "ldp q0, q1, [x1]",
        "ldp q2, q3, [x1, #32]",
        "stp q0, q1, [x0]",
        "stp q2, q3, [x0, #32]",
        "add x1, x1, #64",
        "add x0, x0, #64",
        "sub x3, x3, #64",
        "cmp x3, #64",
        "b.hi 5b",
        // The last 64 bytes, of which some are copied again.
        "ldp q0, q1, [x5, #-64]",
        "ldp q2, q3, [x5, #-32]",
        "stp q0, q1, [x6, #-64]",
        "stp q2, q3, [x6, #-32]",
        "mov x0, x6",
        "ret",
        // 8 to 15 bytes.
        "6:",
        "tbz x2, #3, 7f",
        "ldr x7, [x1]",
        "ldur x8, [x5, #-8]",
        "str x7, [x0]",
        "stur x8, [x6, #-8]",
        "mov x0, x6",
        "ret",
        // 4 to 7 bytes.
        "7:",
        "tbz x2, #2, 8f",
        "ldr w7, [x1]",
        "ldur w8, [x5, #-4]",
        "str w7, [x0]",
        "stur w8, [x6, #-4]",
        "mov x0, x6",
        "ret",
        // 1 to 3 bytes: the first, the middle, the last, which may be the same.
        "8:",
        "cbz x2, 2f",
        "lsr x7, x2, #1",
        "ldrb w8, [x1]",
        "ldrb w9, [x1, x7]",
        "ldurb w10, [x5, #-1]",
        "strb w8, [x0]",
        "strb w9, [x0, x7]",
        "sturb w10, [x6, #-1]",
        "2:",
        "mov x0, x6",
        "ret",
        // The fix-up stands where the constant says; the assembler refuses code that does not fit before it.
        ".org 20b + {len}",
        "ret",
        len = const BLOCKS_LEN,
    )
}

/// Copies `len` bytes one by one; `count` is the same as `len`.
#[cfg(feature = "fault-handler")]
#[unsafe(naked)]
unsafe extern "C" fn by_bytes(
    to: *mut u8,
    from: *const u8,
    len: usize,
    count: usize,
    map: *const u8,
) -> *mut u8 {
    naked_asm!(
        "20:",
        "hint #34",
        "cbz x3, 3f",
        "2:",
        "ldrb w7, [x1], #1",
        "strb w7, [x0], #1",
        "subs x3, x3, #1",
        "b.ne 2b",
        "3:",
        "ret",
        ".org 20b + {len}",
        "ret",
        len = const BYTES_LEN,
    )
}

/// If `context` was interrupted in a routine by an access to its map's side inside `fault`, lets it go on at the fix-up.
///
/// # Safety
///
/// `context` is what the kernel gave to the handler of a signal.
#[cfg(feature = "fault-handler")]
pub(crate) unsafe fn resume(
    context: *mut core::ffi::c_void,
    fault: core::ops::RangeInclusive<usize>,
) -> bool {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the context is valid, and this handler's alone until it returns.
    let machine = unsafe { &mut (*context).uc_mcontext };
    let at = machine.pc as usize;
    let map = machine.regs[4] as usize;
    let len = machine.regs[2] as usize;
    let routines = [
        (by_blocks as *const () as usize, BLOCKS_LEN),
        (by_bytes as *const () as usize, BYTES_LEN),
    ];
    for (start, routine) in routines {
        if at.wrapping_sub(start) < routine && super::meets(map, len, &fault) {
            machine.pc = start.wrapping_add(routine) as u64;
            return true;
        }
    }
    false
}
