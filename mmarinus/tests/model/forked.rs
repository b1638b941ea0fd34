//! A program in a forked process, so that what it leaves for ever ends with it, and a signal is an answer.
#![expect(unsafe_code, reason = "forks")]

use core::ffi::c_int;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

unsafe extern "C" {
    fn fork() -> c_int;
    fn _exit(status: c_int) -> !;
}

/// Runs a program in a forked process, and says how it ended if not well. Only in a child that runs one test.
///
/// The threads of this process do nothing meanwhile but wait for the test, so that none of them has a lock.
pub(crate) fn in_fork(run: impl FnOnce()) -> Result<(), String> {
    // SAFETY: no other thread runs (see above), and the allocator of the C library takes care of its own locks.
    let pid = unsafe { fork() };
    if pid == 0 {
        let status = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(()) => 0,
            Err(_) => 101,
        };
        // SAFETY: ends the process at once, with nothing of it run that the parent runs as well.
        unsafe { _exit(status) };
    }
    let pid = rustix::process::Pid::from_raw(pid).expect("a process was forked");
    let ended = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    let (_, status) = ended.expect("it can be waited for").expect("it has ended");
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => Ok(()),
        (Some(101), _) => Err("it panicked, see above".to_owned()),
        (Some(code), _) => Err(format!("it ended with code {code}")),
        (None, Some(signal)) => Err(format!("signal {signal}")),
        (None, None) => Err("it stopped".to_owned()),
    }
}
