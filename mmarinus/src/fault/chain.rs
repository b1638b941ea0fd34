//! What stood behind a signal before our handler, kept and called as the kernel would have called it.
#![expect(unsafe_code, reason = "replaces handlers of signals and calls them")]

use core::ffi::{c_int, c_long, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use libc::{SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO, SIG_DFL, SIG_IGN};
use mmarinus_sys::Errno;

/// A handler that asks for details.
type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// A handler of the old sort.
type PlainHandler = extern "C" fn(c_int);

/// An action of a signal, read by handlers while it is set.
struct Action {
    /// `SIG_DFL`, `SIG_IGN` or the address of a function.
    handler: AtomicUsize,
    /// `SA_*`, which mean something for a function only.
    flags: AtomicI32,
}

impl Action {
    const fn default() -> Self {
        Self {
            handler: AtomicUsize::new(SIG_DFL),
            flags: AtomicI32::new(0),
        }
    }
}

/// What stands behind our handler for one signal.
struct Behind {
    /// Two, so that one can be set while the other is in force.
    actions: [Action; 2],
    /// Which of them is in force.
    current: AtomicUsize,
}

impl Behind {
    const fn nothing() -> Self {
        Self {
            actions: [Action::default(), Action::default()],
            current: AtomicUsize::new(0),
        }
    }

    fn get(&self) -> &Action {
        &self.actions[self.current.load(Ordering::Acquire) & 1]
    }

    /// Only while our handler is being installed, and twice at most.
    fn set(&self, action: &libc::sigaction) {
        let other = (self.current.load(Ordering::Relaxed) & 1) ^ 1;
        self.actions[other]
            .handler
            .store(action.sa_sigaction, Ordering::Relaxed);
        self.actions[other]
            .flags
            .store(action.sa_flags, Ordering::Relaxed);
        self.current.store(other, Ordering::Release);
    }
}

static BEHIND_SEGV: Behind = Behind::nothing();
static BEHIND_BUS: Behind = Behind::nothing();

fn behind(signal: c_int) -> &'static Behind {
    if signal == libc::SIGBUS {
        &BEHIND_BUS
    } else {
        &BEHIND_SEGV
    }
}

/// Installs `handler` before what is there, which it returns.
///
/// It runs on the alternate stack of a thread that has one, and blocks what the handler behind it wants blocked.
///
/// # Safety
///
/// The process may have this handler, which passes on what is not its own.
pub(super) unsafe fn put_before(signal: c_int, handler: Handler) -> Result<libc::sigaction, Errno> {
    let before = sigaction(signal, None)?;
    if before.sa_sigaction == handler as *const () as usize {
        return Ok(before);
    }
    // First, since from the next call on it may be asked for.
    behind(signal).set(&before);
    let ours = in_front_of(&before, handler);
    let replaced = sigaction(signal, Some(&ours))?;
    if replaced.sa_sigaction != before.sa_sigaction || replaced.sa_flags != before.sa_flags {
        // Another thread has installed one between the two calls.
        behind(signal).set(&replaced);
    }
    Ok(replaced)
}

/// Puts an action back; nothing can be done if that fails.
///
/// # Safety
///
/// The process may have this action.
pub(super) unsafe fn put_back(signal: c_int, action: &libc::sigaction) {
    _ = sigaction(signal, Some(action));
}

/// Lets what is behind our handler handle a signal.
///
/// # Safety
///
/// The arguments are those of a handler of this signal that is running, and `code` is the `si_code` in them.
pub(super) unsafe fn pass_on(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
    code: c_int,
) {
    let action = behind(signal).get();
    let flags = action.flags.load(Ordering::Relaxed);
    let handler = if flags & SA_RESETHAND != 0 {
        // It is called once; whoever comes next finds the default.
        action.handler.swap(SIG_DFL, Ordering::Relaxed)
    } else {
        action.handler.load(Ordering::Relaxed)
    };
    match handler {
        SIG_IGN if !is_forced(signal, code) => {}
        // What the kernel forces upon a thread cannot be ignored.
        SIG_DFL | SIG_IGN => end(signal, info),
        function => {
            let function = ptr::with_exposed_provenance::<()>(function);
            if flags & SA_SIGINFO != 0 {
                // SAFETY: somebody has told the kernel to call this address, with these arguments.
                let function = unsafe { core::mem::transmute::<*const (), Handler>(function) };
                function(signal, info, context);
            } else {
                // SAFETY: somebody has told the kernel to call this address, with this argument.
                let function = unsafe { core::mem::transmute::<*const (), PlainHandler>(function) };
                function(signal);
            }
            stay_in_front(signal, action);
        }
    }
}

/// Whether the kernel made the signal since this thread could not go on, rather than somebody sending it.
fn is_forced(signal: c_int, code: c_int) -> bool {
    code > 0 && !(signal == libc::SIGBUS && code == libc::BUS_MCEERR_AO)
}

/// Lets the signal do what it does by default.
fn end(signal: c_int, info: *mut libc::siginfo_t) {
    _ = sigaction(signal, Some(&default()));
    // Sent again, it comes when this handler returns, at the instruction that it interrupted; with all that it said, for the
    // core dump. To fault once more would not be as good: the page may be there by then. But it is what happens where a
    // sandbox forbids to send it.
    //
    // SAFETY: `getpid` takes nothing.
    let process = unsafe { libc::getpid() };
    // SAFETY: `gettid` takes nothing.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) };
    // SAFETY: the kernel reads the whole `siginfo_t` that a handler got.
    unsafe {
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            c_long::from(process),
            thread,
            c_long::from(signal),
            info,
        )
    };
}

/// Some handlers end a process by putting the default in their place and returning, so that it faults again. They mean
/// themselves, and have replaced ours: the default is then what stands behind ours, and ours is put back.
fn stay_in_front(signal: c_int, action: &Action) {
    let Ok(now) = sigaction(signal, None) else {
        return;
    };
    if matches!(now.sa_sigaction, SIG_DFL | SIG_IGN) {
        action.handler.store(now.sa_sigaction, Ordering::Relaxed);
        _ = sigaction(signal, Some(&in_front_of(&now, super::handler::handle)));
    }
}

/// The action of `handler` in front of another.
fn in_front_of(behind: &libc::sigaction, handler: Handler) -> libc::sigaction {
    /// Only on some architectures in libc: the address keeps its tag.
    const SA_EXPOSE_TAGBITS: c_int = 0x800;

    let kept = SA_NODEFER | SA_RESTART | SA_EXPOSE_TAGBITS;
    let mut action = default();
    action.sa_sigaction = handler as *const () as usize;
    action.sa_mask = behind.sa_mask;
    action.sa_flags = behind.sa_flags & kept | SA_SIGINFO | SA_ONSTACK;
    action
}

/// `SIG_DFL`, with no flags and nothing blocked.
fn default() -> libc::sigaction {
    // SAFETY: numbers, bits and an optional function, for each of which zero is a value; `SIG_DFL` is 0.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// `sigaction(signal, new, old)`—Returns the action of a signal, and replaces it if there is a new one.
fn sigaction(signal: c_int, new: Option<&libc::sigaction>) -> Result<libc::sigaction, Errno> {
    let mut old = default();
    // SAFETY:
    // - Both pointers are null or valid for the call.
    // - Whoever passes a new action has promised that the process may have it.
    let done =
        unsafe { libc::sigaction(signal, new.map_or(ptr::null(), ptr::from_ref), &raw mut old) };
    if done == 0 { Ok(old) } else { Err(errno()) }
}

/// The errno of this thread.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_in_front_keeps_what_the_one_behind_blocks() {
        let mut behind = default();
        behind.sa_flags = SA_NODEFER | SA_RESETHAND;
        // SAFETY: the set is a valid place for one.
        unsafe { libc::sigaddset(&raw mut behind.sa_mask, libc::SIGUSR1) };
        let action = in_front_of(&behind, super::super::handler::handle);
        assert_eq!(action.sa_flags, SA_NODEFER | SA_SIGINFO | SA_ONSTACK);
        // SAFETY: the set is a valid one.
        let blocks = |signal| unsafe { libc::sigismember(&raw const action.sa_mask, signal) };
        assert_eq!((blocks(libc::SIGUSR1), blocks(libc::SIGUSR2)), (1, 0));
    }

    #[test]
    fn what_is_sent_is_not_forced() {
        assert!(is_forced(libc::SIGSEGV, 1));
        assert!(is_forced(libc::SIGBUS, libc::BUS_MCEERR_AR));
        assert!(is_forced(libc::SIGSEGV, 0x80));
        assert!(!is_forced(libc::SIGBUS, libc::BUS_MCEERR_AO));
        assert!(!is_forced(libc::SIGSEGV, 0));
        assert!(!is_forced(libc::SIGBUS, -6));
    }
}
