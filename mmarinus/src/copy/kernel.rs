//! Copies by the kernel, `process_vm_readv` and `process_vm_writev` on this very process: a page that is gone is an error,
//! no signal.
//!
//! The process is named by the calling thread: by `getpid` it could not be found any more once its main thread has exited.

use core::ffi::c_void;

use mmarinus_sys::{self as sys, Errno, IoVec};

use super::Stop;

/// Copies `buf.len()` bytes from `from` on into `buf`.
///
/// # Safety
///
/// The bytes at `from` lie in pages of one map that lives, or nothing is mapped there.
pub(crate) unsafe fn read(buf: &mut [u8], from: *const u8) -> Result<(), Stop> {
    let (to, len) = (buf.as_mut_ptr(), buf.len());
    all(len, |done| {
        let local = IoVec::new(to.wrapping_add(done).cast::<c_void>(), len - done);
        let remote = IoVec::new(
            from.wrapping_add(done).cast_mut().cast::<c_void>(),
            len - done,
        );
        // SAFETY:
        // - The local range is the rest of `buf`, which is exclusively ours.
        // - The remote range is only read, by the kernel, which fails where it cannot.
        unsafe { sys::process_vm_readv(sys::gettid(), &[local], &[remote]) }
    })
}

/// Copies `buf` to `to`.
///
/// # Safety
///
/// The bytes at `to` lie in pages of one map that lives, whose owner allows that they are written.
pub(crate) unsafe fn write(to: *mut u8, buf: &[u8]) -> Result<(), Stop> {
    let (from, len) = (buf.as_ptr(), buf.len());
    all(len, |done| {
        let local = IoVec::new(
            from.wrapping_add(done).cast_mut().cast::<c_void>(),
            len - done,
        );
        let remote = IoVec::new(to.wrapping_add(done).cast::<c_void>(), len - done);
        // SAFETY:
        // - The local range is the rest of `buf`, and only read.
        // - The remote range lies in a map whose owner allows that it is written; no reference into it exists but to
        //   atomics, for which the kernel is as another process.
        unsafe { sys::process_vm_writev(sys::gettid(), &[local], &[remote]) }
    })
}

/// Repeats a copy until all `len` bytes are done: one call stops at 2,147,479,552 bytes, and before a page that is gone.
fn all(len: usize, copy: impl Fn(usize) -> Result<usize, Errno>) -> Result<(), Stop> {
    let mut copied = 0;
    while copied < len {
        match copy(copied) {
            Ok(0) => {
                return Err(Stop {
                    errno: Errno::FAULT,
                    copied,
                });
            }
            Ok(more) => copied += more,
            Err(errno) => return Err(Stop { errno, copied }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_copy_goes_on_where_it_stopped() {
        let limit = 2_147_479_552;
        let mut starts = std::vec::Vec::new();
        let starts_of = core::cell::RefCell::new(&mut starts);
        all(3 * limit - 1, |done| {
            starts_of.borrow_mut().push(done);
            Ok(limit.min(3 * limit - 1 - done))
        })
        .unwrap();
        assert_eq!(starts, [0, limit, 2 * limit]);
    }

    #[test]
    fn what_was_copied_before_an_error_is_counted() {
        let stop = all(
            100,
            |done| if done == 0 { Ok(60) } else { Err(Errno::FAULT) },
        )
        .unwrap_err();
        assert_eq!(
            stop,
            Stop {
                errno: Errno::FAULT,
                copied: 60
            }
        );
    }

    #[test]
    fn copying_nothing_calls_nothing() {
        all(0, |_| Err(Errno::NOSYS)).unwrap();
        assert_eq!(
            all(1, |_| Ok(0)).unwrap_err(),
            Stop {
                errno: Errno::FAULT,
                copied: 0
            }
        );
    }
}
