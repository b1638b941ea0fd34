//! `fault::install`: faults of checked copies are caught in this process, so that they need no system call.
#![expect(
    unsafe_code,
    reason = "a handler of signals is the business of the whole process"
)]

use crate::error::Error;

/// `sigaction(SIGSEGV, …)`, `sigaction(SIGBUS, …)`—Makes checked copies as fast as `memcpy`, by catching their faults.
///
/// Without it, [`read_at`](crate::Map::read_at), [`write_at`](crate::Map::write_at) and all that is built on them are system
/// calls on maps whose pages may be gone: `process_vm_readv` turns a fault into an error. With it, the same calls copy in this
/// process, and a handler of SIGSEGV and SIGBUS turns a fault into the same error, with the same count of bytes before it. It is
/// for the whole process: for all threads and maps, also those that are there already. To install it twice is to install it once.
///
/// The handler knows the few instructions that such a copy is made of. A fault elsewhere, or at an address that is not the
/// map's part of the copy, or a signal that somebody sent, is not its business: it goes to the handler that was there before,
/// which is called as the kernel would have called it (`SA_SIGINFO`, `sa_mask`, `SA_NODEFER`, `SA_RESETHAND`), or does what it
/// would have done (`SIG_DFL`, `SIG_IGN`). Only the stack may differ: the handler before runs on the thread's alternate stack,
/// if it has one, also if it did not ask for that.
///
/// It also makes readable what the kernel does not copy: memory of devices that is no page cache (`VM_IO`, `VM_PFNMAP`), and
/// secret memory. And where pages are promised to stay but a copy faults all the same, since memory broke, that is an error too.
///
/// On x86_64 and aarch64. Elsewhere it does nothing, and the system calls stay. Needs the feature `fault-handler`.
///
/// # Examples
///
/// ```
/// use mmarinus::{Errno, Map, perms};
///
/// // SAFETY: this program blocks neither signal, and installs no other handler.
/// unsafe { mmarinus::fault::install() }?;
///
/// let file = tempfile::tempfile()?;
/// file.set_len(8192)?;
/// let map = Map::bytes(8192).anywhere().from(&file, 0).with(perms::Read)?;
/// file.set_len(4096)?;
/// let mut bytes = [1; 100];
/// let fault = map.read_at(4000, &mut bytes).unwrap_err();
/// assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 96));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// `EPERM`, or what else a sandbox answers, if the process may not install handlers. Then nothing has changed.
///
/// # Safety
///
/// From this call on until the process ends, a fault of a safe copy is SIGSEGV or SIGBUS, and kills the process unless the
/// handler gets it. So, as long as any thread copies from or into maps:
///
/// - No such thread blocks SIGSEGV or SIGBUS: not by `pthread_sigmask`, not by the `sa_mask` of a handler in which it copies, and
///   not by copying inside a handler of these two signals themselves. (The kernel kills a thread that faults while it blocks the
///   signal.)
/// - Whoever installs a handler of these signals later passes on what is not its own: calls the handler that it replaced with the
///   same three arguments, and lets it return to the place of the fault. It does not longjmp out of every fault, nor exit.
///   Nobody sets these signals to `SIG_DFL` or `SIG_IGN`, but to end the process. (A handler that was there *before* may set
///   `SIG_DFL` and return, as that of the standard library does; ours comes back.)
/// - A thread that has an alternate stack (`sigaltstack`) has one with room for the signal's frame, whose size `getauxval`
///   tells as `AT_MINSIGSTKSZ`, and one KiB more for the handler, beside what the handlers before it need.
/// - No sandbox forbids `rt_sigreturn`, and the process is not traced by somebody who suppresses these signals.
///
/// Children of `fork` inherit the handler, and the same then holds for them. `exec` ends it.
///
/// # References
///
/// [sigaction(2)](https://man7.org/linux/man-pages/man2/sigaction.2.html),
/// [sigaltstack(2)](https://man7.org/linux/man-pages/man2/sigaltstack.2.html)
pub unsafe fn install() -> Result<(), Error> {
    // SAFETY: the caller's promise.
    unsafe { process_wide() }
}

/// Installs the handler once.
///
/// # Safety
///
/// As for [`install`].
#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(miri)
))]
unsafe fn process_wide() -> Result<(), Error> {
    use core::sync::atomic::{AtomicBool, Ordering};

    use crate::error::{Cause, Operation};
    use crate::fault::handler;

    /// Whether a thread is installing the handler; another waits until it is done.
    static BUSY: AtomicBool = AtomicBool::new(false);

    while BUSY.swap(true, Ordering::Acquire) {
        core::hint::spin_loop();
    }
    let done = if handler::is_installed() {
        Ok(())
    } else {
        // SAFETY: the caller's promise; only one thread is here.
        unsafe { handler::install() }
    };
    BUSY.store(false, Ordering::Release);
    done.map_err(|errno| Cause::kernel(Operation::Sigaction, errno, [0, 0]).into())
}

/// Does nothing: there is no copy whose faults could be caught.
///
/// # Safety
///
/// None.
#[cfg(not(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(miri)
)))]
unsafe fn process_wide() -> Result<(), Error> {
    Ok(())
}
