//! The copy in assembly for x86_64: SSE2 up to 128 bytes, then AVX where the CPU has it, and `rep movsb` from a page on where the
//! CPU is fast at it.
//!
//! Whatever other threads or processes do to the bytes meanwhile, these are not loads and stores of Rust's memory model: the copy
//! may mix old and new bytes, and that is all.
//!
//! Each routine is a range of instructions of a known length with a fix-up behind it. The handler of [`crate::fault`] lets a
//! routine that faults go on at its fix-up, which returns how far it came. That works since these hold at each instruction
//! that touches memory:
//!
//! - `rdi` is the position in the target: all bytes before it are copied, and none behind it but what the copy writes again.
//! - `rdx` is the length, `r8` the first byte of the map's side and `r9` what the CPU may be asked, as the caller gave them.
//! - The stack is as it was on entry, so that `ret` returns to the caller.

use core::arch::x86_64::{__cpuid_count, CpuidResult};
use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicUsize, Ordering};

/// Up to this length in bytes, SSE2 is as good as anything.
const SMALL: usize = 128;

/// From this length in bytes on, `rep movsb` is faster than a loop.
const STRING_FROM: usize = 4096;

/// The length of [`by_blocks`] in bytes, without its fix-up.
const BLOCKS_LEN: usize = 640;

/// The length of [`by_bytes`] in bytes, without its fix-up.
#[cfg(feature = "fault-handler")]
const BYTES_LEN: usize = 32;

/// Copies `len` bytes, and returns where in the target it stopped: at its end, unless a fault was caught before.
///
/// # Safety
///
/// - `from` is readable and `to` is writable for `len` bytes; they do not overlap.
/// - An access does not fault, unless it is to the side that begins at `map`, and the handler is installed.
#[inline]
pub(super) unsafe fn copy(to: *mut u8, from: *const u8, len: usize, map: *const u8) -> *mut u8 {
    let can = if len > SMALL { can() } else { 0 };
    // SAFETY: as the caller promises; the CPU can do what it is asked.
    unsafe { by_blocks(to, from, len, len, map, can) }
}

/// Copies like [`copy`], without the instructions that a virtual machine may not know how to do for a device.
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
    // SAFETY: as the caller promises; the CPU can do what it is asked.
    unsafe { by_blocks(to, from, len, len, map, can() & STRINGS) }
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

/// Copies `len` bytes by blocks; `count` is the same as `len`, and `can` what the CPU can do.
///
/// Up to 128 bytes are loaded before the first is stored, and the blocks at the two ends may overlap. The stores ascend, so that
/// the first one to fault is the lowest.
#[unsafe(naked)]
unsafe extern "C" fn by_blocks(
    to: *mut u8,
    from: *const u8,
    len: usize,
    count: usize,
    map: *const u8,
    can: usize,
) -> *mut u8 {
    naked_asm!(
        "20:",
        "endbr64",
        "cmp rdx, 32",
        "ja 3f",
        "cmp rdx, 16",
        "jb 6f",
        // 16 to 32 bytes.
        "movdqu xmm0, [rsi]",
        "movdqu xmm1, [rsi + rdx - 16]",
        "movdqu [rdi], xmm0",
        "movdqu [rdi + rdx - 16], xmm1",
        "lea rax, [rdi + rdx]",
        "ret",
        "3:",
        "cmp rdx, 64",
        "ja 4f",
        // 33 to 64 bytes.
        "movdqu xmm0, [rsi]",
        "movdqu xmm1, [rsi + 16]",
        "movdqu xmm2, [rsi + rdx - 32]",
        "movdqu xmm3, [rsi + rdx - 16]",
        "movdqu [rdi], xmm0",
        "movdqu [rdi + 16], xmm1",
        "movdqu [rdi + rdx - 32], xmm2",
        "movdqu [rdi + rdx - 16], xmm3",
        "lea rax, [rdi + rdx]",
        "ret",
        "4:",
        "cmp rdx, {small}",
        "ja 9f",
        // 65 to 128 bytes.
        "movdqu xmm0, [rsi]",
        "movdqu xmm1, [rsi + 16]",
        "movdqu xmm2, [rsi + 32]",
        "movdqu xmm3, [rsi + 48]",
        "movdqu xmm4, [rsi + rdx - 64]",
        "movdqu xmm5, [rsi + rdx - 48]",
        "movdqu xmm6, [rsi + rdx - 32]",
        "movdqu xmm7, [rsi + rdx - 16]",
        "movdqu [rdi], xmm0",
        "movdqu [rdi + 16], xmm1",
        "movdqu [rdi + 32], xmm2",
        "movdqu [rdi + 48], xmm3",
        "movdqu [rdi + rdx - 64], xmm4",
        "movdqu [rdi + rdx - 48], xmm5",
        "movdqu [rdi + rdx - 32], xmm6",
        "movdqu [rdi + rdx - 16], xmm7",
        "lea rax, [rdi + rdx]",
        "ret",
        // Blocks of 64 bytes while more than one is left; `rcx` counts what is left.
        "5:",
        "movdqu xmm0, [rsi]",
        "movdqu xmm1, [rsi + 16]",
        "movdqu xmm2, [rsi + 32]",
        "movdqu xmm3, [rsi + 48]",
        "movdqu [rdi], xmm0",
        "movdqu [rdi + 16], xmm1",
        "movdqu [rdi + 32], xmm2",
        "movdqu [rdi + 48], xmm3",
        "add rsi, 64",
        "add rdi, 64",
        "sub rcx, 64",
        "cmp rcx, 64",
        "ja 5b",
        // The last 64 bytes, of which some are copied again.
        "movdqu xmm0, [rsi + rcx - 64]",
        "movdqu xmm1, [rsi + rcx - 48]",
        "movdqu xmm2, [rsi + rcx - 32]",
        "movdqu xmm3, [rsi + rcx - 16]",
        "movdqu [rdi + rcx - 64], xmm0",
        "movdqu [rdi + rcx - 48], xmm1",
        "movdqu [rdi + rcx - 32], xmm2",
        "movdqu [rdi + rcx - 16], xmm3",
        "lea rax, [rdi + rcx]",
        "ret",
        // 8 to 15 bytes.
        "6:",
        "cmp rdx, 8",
        "jb 7f",
        "mov rax, [rsi]",
        "mov rcx, [rsi + rdx - 8]",
        "mov [rdi], rax",
        "mov [rdi + rdx - 8], rcx",
        "lea rax, [rdi + rdx]",
        "ret",
        // 4 to 7 bytes.
        "7:",
        "cmp rdx, 4",
        "jb 8f",
        "mov eax, [rsi]",
        "mov ecx, [rsi + rdx - 4]",
        "mov [rdi], eax",
        "mov [rdi + rdx - 4], ecx",
        "lea rax, [rdi + rdx]",
        "ret",
        // 1 to 3 bytes: the first, the middle, the last, which may be the same.
        "8:",
        "test rdx, rdx",
        "jz 2f",
        "mov r9, rdx",
        "shr r9, 1",
        "movzx eax, byte ptr [rsi]",
        "movzx ecx, byte ptr [rsi + r9]",
        "movzx r10d, byte ptr [rsi + rdx - 1]",
        "mov [rdi], al",
        "mov [rdi + r9], cl",
        "mov [rdi + rdx - 1], r10b",
        "2:",
        "lea rax, [rdi + rdx]",
        "ret",
        "9:",
        "cmp rdx, {string_from}",
        "jb 2f",
        "test r9d, {strings}",
        "jz 2f",
        // Strings, which keep `rdi` exact; the direction flag is clear on entry to every function.
        "rep movsb",
        "mov rax, rdi",
        "ret",
        "2:",
        "test r9d, {avx}",
        "jz 5b",
        // AVX: the first block, to where the target is aligned.
        "vmovdqu ymm0, [rsi]",
        "vmovdqu [rdi], ymm0",
        "mov eax, edi",
        "and eax, 31",
        "sub rax, 32",
        "sub rsi, rax",
        "sub rdi, rax",
        "add rcx, rax",
        "cmp rcx, 128",
        "jbe 4f",
        // Blocks of 128 bytes while more than one is left.
        "3:",
        "vmovdqu ymm0, [rsi]",
        "vmovdqu ymm1, [rsi + 32]",
        "vmovdqu ymm2, [rsi + 64]",
        "vmovdqu ymm3, [rsi + 96]",
        "vmovdqa [rdi], ymm0",
        "vmovdqa [rdi + 32], ymm1",
        "vmovdqa [rdi + 64], ymm2",
        "vmovdqa [rdi + 96], ymm3",
        "sub rsi, -128",
        "sub rdi, -128",
        "add rcx, -128",
        "cmp rcx, 128",
        "ja 3b",
        // The last 128 bytes, of which some are copied again.
        "4:",
        "vmovdqu ymm0, [rsi + rcx - 128]",
        "vmovdqu ymm1, [rsi + rcx - 96]",
        "vmovdqu ymm2, [rsi + rcx - 64]",
        "vmovdqu ymm3, [rsi + rcx - 32]",
        "vmovdqu [rdi + rcx - 128], ymm0",
        "vmovdqu [rdi + rcx - 96], ymm1",
        "vmovdqu [rdi + rcx - 64], ymm2",
        "vmovdqu [rdi + rcx - 32], ymm3",
        "vzeroupper",
        "lea rax, [rdi + rcx]",
        "ret",
        // The fix-up stands where the constant says; the assembler refuses code that does not fit before it.
        ".org 20b + {len}, 0xcc",
        "mov rax, rdi",
        "test r9d, {avx}",
        "jz 2f",
        "vzeroupper",
        "2:",
        "ret",
        small = const SMALL,
        string_from = const STRING_FROM,
        strings = const STRINGS,
        avx = const AVX,
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
        "endbr64",
        "jrcxz 3f",
        "2:",
        "movzx eax, byte ptr [rsi]",
        "mov [rdi], al",
        "inc rsi",
        "inc rdi",
        "dec rcx",
        "jnz 2b",
        "3:",
        "mov rax, rdi",
        "ret",
        ".org 20b + {len}, 0xcc",
        "mov rax, rdi",
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
    use libc::{REG_R8, REG_RDX, REG_RIP};

    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the context is valid, and this handler's alone until it returns.
    let registers = unsafe { &mut (*context).uc_mcontext.gregs };
    let at = registers[REG_RIP as usize] as usize;
    let map = registers[REG_R8 as usize] as usize;
    let len = registers[REG_RDX as usize] as usize;
    let routines = [
        (by_blocks as *const () as usize, BLOCKS_LEN),
        (by_bytes as *const () as usize, BYTES_LEN),
    ];
    for (start, routine) in routines {
        if at.wrapping_sub(start) < routine && super::meets(map, len, &fault) {
            registers[REG_RIP as usize] = start.wrapping_add(routine) as i64;
            return true;
        }
    }
    false
}

/// Somebody has asked.
const ASKED: usize = 1;

/// The CPU says that it is fast at `rep movsb` (ERMS).
const STRINGS: usize = 2;

/// The CPU has AVX, and the kernel saves its registers.
const AVX: usize = 4;

/// What the CPU can do. Asked once; `cpuid` is slow in virtual machines.
#[inline]
fn can() -> usize {
    static ANSWER: AtomicUsize = AtomicUsize::new(0);

    #[cold]
    fn ask() -> usize {
        let leaves = leaf(0).eax;
        let mut can = ASKED;
        if leaves >= 7 && leaf(7).ebx & 1 << 9 != 0 {
            can |= STRINGS;
        }
        let saves_and_avx = 1 << 27 | 1 << 28;
        if leaf(1).ecx & saves_and_avx == saves_and_avx && saved_registers() & 0b110 == 0b110 {
            can |= AVX;
        }
        ANSWER.store(can, Ordering::Relaxed);
        can
    }

    match ANSWER.load(Ordering::Relaxed) {
        0 => ask(),
        answer => answer,
    }
}

/// One leaf of `cpuid`, which is only to be believed if it exists.
fn leaf(leaf: u32) -> CpuidResult {
    #[allow(
        unused_unsafe,
        reason = "asking the CPU is safe from some Rust release on, which is newer than our oldest"
    )]
    // SAFETY: every x86_64 CPU has `cpuid`.
    unsafe {
        __cpuid_count(leaf, 0)
    }
}

/// The sets of registers that the kernel saves: bit 1 for SSE, bit 2 for AVX. Only where the CPU has `xgetbv` (OSXSAVE).
fn saved_registers() -> u32 {
    let low;
    // SAFETY: the caller has asked the CPU for the instruction, which writes these two registers alone.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack, preserves_flags));
    }
    low
}
