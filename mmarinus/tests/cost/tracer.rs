//! The system calls of one thread, as the kernel tells them to a tracer.

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use syscalls::Sysno;

/// Why the thread is not traced.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Errno);

/// Traces a thread of a child until it ends. Gives the names of the calls that it makes between a call of `marker` and the next:
/// one list for each pair.
///
/// The thread makes no such call before `begin` is called.
pub(crate) fn calls_between(
    thread: i32,
    marker: Sysno,
    begin: impl FnOnce(),
) -> Result<Vec<Vec<String>>, Refused> {
    let thread = Pid::from_raw(thread);
    ptrace::seize(thread, Options::PTRACE_O_TRACESYSGOOD).map_err(Refused)?;
    ptrace::interrupt(thread).expect("a thread that is traced");
    wait(thread);
    begin();
    let stops = stops(thread);
    // It stops where a call begins and where it ends; which is which is sure from the first marker on.
    let calls = stops.into_iter().skip_while(|call| *call != marker);
    Ok(between(calls.step_by(2), marker))
}

/// The calls at whose beginning or end a thread stops, one by one, until it ends.
fn stops(thread: Pid) -> Vec<Sysno> {
    let mut stops = Vec::new();
    let mut signal = None;
    loop {
        ptrace::syscall(thread, signal.take()).expect("a thread that is stopped");
        match wait(thread) {
            WaitStatus::PtraceSyscall(_) => {
                let call = call(thread);
                stops.push(call);
                if call == Sysno::exit_group {
                    ptrace::detach(thread, None).expect("a thread that is stopped");
                    return stops;
                }
            }
            WaitStatus::Stopped(_, sent) => signal = Some(sent),
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return stops,
            _ => {}
        }
    }
}

/// Waits until the thread stops or ends.
fn wait(thread: Pid) -> WaitStatus {
    waitpid(thread, Some(WaitPidFlag::__WALL)).expect("a thread that is traced")
}

/// The call at whose beginning or end the thread is stopped.
fn call(thread: Pid) -> Sysno {
    let registers = ptrace::getregs(thread).expect("a thread that is stopped");
    #[cfg(target_arch = "x86_64")]
    let number = registers.orig_rax;
    #[cfg(target_arch = "aarch64")]
    let number = registers.regs[8];
    Sysno::new(number as usize).expect("a call that has a name")
}

/// The name of a call, the same on all architectures.
fn name(call: Sysno) -> &'static str {
    match call.name() {
        "openat" => "open",
        "newfstatat" => "fstat",
        name => name,
    }
}

/// Whether std makes the call in debug builds alone: it looks whether a descriptor that it closes is open.
fn is_of_debug_builds(call: Sysno) -> bool {
    cfg!(debug_assertions) && call == Sysno::fcntl
}

/// What comes between each marker and the next.
fn between(calls: impl Iterator<Item = Sysno>, marker: Sysno) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut open: Option<Vec<String>> = None;
    for call in calls {
        if call != marker {
            if let Some(calls) = open.as_mut().filter(|_| !is_of_debug_builds(call)) {
                calls.push(name(call).to_owned());
            }
        } else if let Some(calls) = open.take() {
            found.push(calls);
        } else {
            open = Some(Vec::new());
        }
    }
    found
}

#[test]
fn what_stands_between_markers() {
    use Sysno::{getppid, mmap, munmap, read};
    let calls = [getppid, mmap, munmap, getppid, read, getppid, getppid];
    let found = between(calls.into_iter(), getppid);
    assert_eq!(found, [vec!["mmap", "munmap"], vec![]]);
}
