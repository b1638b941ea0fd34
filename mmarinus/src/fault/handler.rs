//! The handler of SIGSEGV and SIGBUS: lets a copy of ours go on at its fix-up, and passes everything else on.
//!
//! It may run at any instruction of any thread, on an alternate stack. So it takes no lock, allocates nothing, and cannot panic.
#![expect(unsafe_code, reason = "reads what the kernel gives to a handler")]

use core::ffi::{c_int, c_void};
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicBool, Ordering};

use mmarinus_sys::Errno;

use super::chain;
use crate::copy::assembly;

/// Whether the handler is in its place for both signals.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Whether copies may fault.
///
/// A thread that reads `true` may rely on it without any ordering: the kernel knows the handler since before the flag was set,
/// and looks it up for all threads in one place, under a lock, when the fault comes.
#[inline]
pub(crate) fn is_installed() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

/// Puts the handler before those that are there; if that fails, all is as it was.
///
/// # Safety
///
/// As for [`super::install`]; and no other thread does the same meanwhile.
pub(super) unsafe fn install() -> Result<(), Errno> {
    // SAFETY: the caller promises what a handler of this process needs.
    let before = unsafe { chain::put_before(libc::SIGSEGV, handle) }?;
    // SAFETY: as above.
    if let Err(errno) = unsafe { chain::put_before(libc::SIGBUS, handle) } {
        // SAFETY: this is the action that was there until now.
        unsafe { chain::put_back(libc::SIGSEGV, &before) };
        return Err(errno);
    }
    INSTALLED.store(true, Ordering::Release);
    Ok(())
}

/// The beginning of `siginfo_t` for a fault, as the kernel lays it out on these architectures.
#[repr(C)]
struct Told {
    signal: c_int,
    errno: c_int,
    code: c_int,
    address: usize,
    /// The log2 of the size in bytes of what is broken, if a page is.
    address_lsb: i16,
}

/// Handles a signal.
pub(super) extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel, or a handler that passes on what the kernel gave it, hands over a whole `siginfo_t`, whose fields are
    // numbers; those that the signal does not fill hold some number.
    let told = unsafe { info.cast::<Told>().read_unaligned() };
    if let Some(fault) = place(signal, &told) {
        // SAFETY: the context is what the kernel gave, as above.
        if unsafe { assembly::resume(context, fault) } {
            return;
        }
    }
    // SAFETY: the arguments of a handler, unchanged.
    unsafe { chain::pass_on(signal, info, context, told.code) }
}

/// The addresses that an access of this thread could not reach; none if the signal tells of something else.
fn place(signal: c_int, told: &Told) -> Option<RangeInclusive<usize>> {
    const SEGV_MAPERR: c_int = 1;
    const SEGV_ACCERR: c_int = 2;
    const SEGV_PKUERR: c_int = 4;

    let address = told.address;
    match (signal, told.code) {
        (libc::SIGSEGV, SEGV_MAPERR | SEGV_ACCERR | SEGV_PKUERR)
        | (libc::SIGBUS, libc::BUS_ADRALN | libc::BUS_ADRERR | libc::BUS_OBJERR) => {
            Some(address..=address)
        }
        // Of a broken page the kernel tells the start.
        (libc::SIGBUS, libc::BUS_MCEERR_AR) => {
            let size = 1_usize.checked_shl(told.address_lsb as u32).unwrap_or(1);
            let start = address & size.wrapping_neg();
            Some(start..=start | (size.wrapping_sub(1)))
        }
        // Sent by somebody, or about something that this thread did not touch just now.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faults_of_this_very_access_are_placed() {
        let told = |code, address_lsb| Told {
            signal: 0,
            errno: 0,
            code,
            address: 0x12345,
            address_lsb,
        };
        for code in [1, 2, 4] {
            assert_eq!(
                place(libc::SIGSEGV, &told(code, 0)),
                Some(0x12345..=0x12345)
            );
        }
        for code in [1, 2, 3] {
            assert_eq!(place(libc::SIGBUS, &told(code, 0)), Some(0x12345..=0x12345));
        }
        assert_eq!(place(libc::SIGBUS, &told(4, 12)), Some(0x12000..=0x12fff));
        for lsb in [0, 64, 200, -1] {
            assert_eq!(place(libc::SIGBUS, &told(4, lsb)), Some(0x12345..=0x12345));
        }
        // By kill, tgkill and sigqueue; of no known address; of a page that nobody touched.
        for code in [0, -6, -1, 0x80] {
            assert_eq!(place(libc::SIGSEGV, &told(code, 0)), None);
            assert_eq!(place(libc::SIGBUS, &told(code, 0)), None);
        }
        assert_eq!(place(libc::SIGBUS, &told(5, 12)), None);
        assert_eq!(place(libc::SIGSEGV, &told(3, 0)), None);
        assert_eq!(place(libc::SIGALRM, &told(1, 0)), None);
    }
}
