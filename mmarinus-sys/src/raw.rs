//! The way to a system call that rustix lacks: the call by its number, and its errno as a `Result`.
#![expect(unsafe_code, reason = "a system call by number has no safe form")]

use core::ffi::c_long;

use crate::{Errno, Result};

/// `syscall(number, args...)`—Calls the kernel by number.
///
/// Unused arguments are 0, and always passed: a kernel that reads a register nobody filled would act on garbage.
///
/// # Safety
///
/// Whatever the call with this number demands of these arguments.
pub(crate) unsafe fn syscall(number: c_long, args: [usize; 6]) -> Result<usize> {
    let [a, b, c, d, e, f] = args;
    // SAFETY:
    // - The caller keeps the contract of this system call.
    // - Every argument is as wide as a register, which is what a variadic `syscall` reads.
    let ret = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    check(ret as isize)
}

/// Turns a C return value, of which -1 alone is an error, into a `Result` by reading errno.
pub(crate) fn check(ret: isize) -> Result<usize> {
    match ret {
        -1 => Err(errno()),
        ret => Ok(ret as usize),
    }
}

/// Reads the errno of the calling thread.
fn errno() -> Errno {
    #[cfg(target_os = "android")]
    use libc::__errno as location;
    #[cfg(not(target_os = "android"))]
    use libc::__errno_location as location;
    // SAFETY: the function takes no argument and only returns an address.
    let location = unsafe { location() };
    // SAFETY: errno(3): the location is a valid `int` of the calling thread for as long as the thread lives.
    Errno::from_raw_os_error(unsafe { *location })
}
