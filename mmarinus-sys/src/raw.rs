//! The way to a system call that rustix lacks: the call by its number, and its errno as a `Result`.
#![expect(unsafe_code, reason = "a system call by number has no safe form")]

use core::ffi::c_long;

use crate::{Errno, Result};

/// `syscall(number, args...)`—Calls the kernel by number.
///
/// Unused arguments are 0, and always passed: a kernel that reads a register nobody filled would act on garbage.
///
/// Where the bulk of machines is, the instruction stands in line and costs nothing more. Elsewhere libc makes the call.
///
/// # Safety
///
/// Whatever the call with this number demands of these arguments.
#[inline(always)]
pub(crate) unsafe fn syscall(number: c_long, args: [usize; 6]) -> Result<usize> {
    // SAFETY: the caller keeps the contract of this system call.
    let ret = unsafe { enter(number, args) };
    match ret {
        -4095..=-1 => Err(failed(ret)),
        ret => Ok(ret as usize),
    }
}

/// `syscall(number, args...)`—Calls the kernel by number, where the call has three arguments and gives nothing back.
///
/// # Safety
///
/// Whatever the call with this number demands of these arguments.
#[inline(always)]
pub(crate) unsafe fn syscall3(number: c_long, args: [usize; 3]) -> Result<()> {
    // SAFETY: the caller keeps the contract of this system call.
    let ret = unsafe { enter3(number, args) };
    if ret == 0 { Ok(()) } else { Err(failed(ret)) }
}

/// The errno of what came back.
#[cold]
#[inline]
fn failed(ret: isize) -> Errno {
    Errno::from_raw_os_error(-ret as i32)
}

/// Enters the kernel with three arguments; a number between -4095 and -1 that comes back is a negative errno.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(miri)))]
#[inline(always)]
unsafe fn enter3(number: c_long, args: [usize; 3]) -> isize {
    let ret;
    // SAFETY: as in `enter`.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => ret,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, preserves_flags),
        );
    }
    ret
}

/// Enters the kernel with three arguments; a number between -4095 and -1 that comes back is a negative errno.
#[cfg(any(miri, not(all(target_arch = "x86_64", target_pointer_width = "64"))))]
#[inline(always)]
unsafe fn enter3(number: c_long, [a, b, c]: [usize; 3]) -> isize {
    // SAFETY: the caller keeps the contract of this system call.
    unsafe { enter(number, [a, b, c, 0, 0, 0]) }
}

/// Enters the kernel; a number between -4095 and -1 that comes back is a negative errno.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(miri)))]
#[inline(always)]
unsafe fn enter(number: c_long, args: [usize; 6]) -> isize {
    let ret;
    // SAFETY:
    // - The caller keeps the contract of this system call.
    // - `syscall` overwrites rax, rcx and r11 alone, and does not use the stack of user space.
    // - The block may read and write memory, so the compiler moves no access across it.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => ret,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, preserves_flags),
        );
    }
    ret
}

/// Enters the kernel; a number between -4095 and -1 that comes back is a negative errno.
#[cfg(all(target_arch = "aarch64", target_pointer_width = "64", not(miri)))]
#[inline(always)]
unsafe fn enter(number: c_long, args: [usize; 6]) -> isize {
    let ret;
    // SAFETY:
    // - The caller keeps the contract of this system call.
    // - `svc 0` overwrites x0, what vector registers have beyond 128 bits, and predicates, all of which may be overwritten; it
    //   does not use the stack of user space.
    // - The block may read and write memory, so the compiler moves no access across it.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number as isize,
            inlateout("x0") args[0] as isize => ret,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            // The kernel zeroes the registers of SVE, but for the part that they share with older ones.
            clobber_abi("C"),
            options(nostack, preserves_flags),
        );
    }
    ret
}

/// Enters the kernel; a number between -4095 and -1 that comes back is a negative errno.
#[cfg(any(
    miri,
    not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64"
    ))
))]
#[inline]
unsafe fn enter(number: c_long, args: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = args;
    // SAFETY:
    // - The caller keeps the contract of this system call.
    // - Every argument is as wide as a register, which is what a variadic `syscall` reads.
    let ret = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    match ret {
        -1 => -errno(),
        ret => ret as isize,
    }
}

/// Reads the errno of the calling thread.
#[cfg(any(
    miri,
    not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64"
    ))
))]
fn errno() -> isize {
    #[cfg(target_os = "android")]
    use libc::__errno as location;
    #[cfg(not(target_os = "android"))]
    use libc::__errno_location as location;
    // SAFETY: the function takes no argument and only returns an address.
    let location = unsafe { location() };
    // SAFETY: errno(3): the location is a valid `int` of the calling thread for as long as the thread lives.
    let errno = unsafe { *location };
    errno as isize
}
