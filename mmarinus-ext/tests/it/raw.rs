//! All that the tests do and that has no safe form: system calls that are forbidden, pages that a pipe holds, signals.
#![expect(
    unsafe_code,
    reason = "calls into the C library that std links, and `vmsplice`"
)]

use core::ffi::{c_int, c_ulong};
use core::num::NonZeroU32;
use std::io::{self, PipeReader, Read};
use std::os::unix::thread::{JoinHandleExt, RawPthread};

use mmarinus::Errno;
use rustix::pipe::{IoSliceRaw, SpliceFlags, vmsplice};

use crate::testing::features::guest;

unsafe extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
    fn signal(signal: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn siginterrupt(signal: c_int, interrupt: c_int) -> c_int;
    fn pthread_kill(thread: RawPthread, signal: c_int) -> c_int;
}

/// The number of the signal that is for us to use.
const SIGUSR1: c_int = rustix::process::Signal::USR1.as_raw();

/// A system call that the tests make fail.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Mprotect,
    Munmap,
}

impl Call {
    /// Its number, where the tests know it.
    fn number(self) -> Option<NonZeroU32> {
        let numbers = if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
            [10, 11]
        } else if cfg!(any(target_arch = "aarch64", target_arch = "riscv64")) {
            [226, 215]
        } else {
            [0; 2]
        };
        NonZeroU32::new(numbers[self as usize])
    }
}

/// Whether [`forbid`] can be expected to work: where not, why.
pub(crate) fn can_forbid() -> Result<(), &'static str> {
    Call::Munmap
        .number()
        .ok_or("the numbers of system calls are not known here")?;
    match std::fs::exists("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(true) => Ok(()),
        _ => Err("the kernel has no seccomp filters"),
    }
}

/// Makes system calls fail with an errno, by seccomp, for the calling thread and its children. Only in a child.
pub(crate) fn forbid(calls: &[Call], errno: Errno) {
    #[repr(C)]
    struct Instruction {
        code: u16,
        if_true: u8,
        if_false: u8,
        k: u32,
    }
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const Instruction,
    }
    const PR_SET_SECCOMP: c_int = 22;
    const SECCOMP_MODE_FILTER: c_ulong = 2;

    let instruction = |code, if_false, k| Instruction {
        code,
        if_true: 0,
        if_false,
        k,
    };
    let fail = 0x0005_0000 | errno.raw_os_error().cast_unsigned();
    // Load the number of the call; where it is one of these, fail; at last allow.
    let mut filter = vec![instruction(0x20, 0, 0)];
    for call in calls {
        let number = call.number().expect("the caller has asked before");
        filter.push(instruction(0x15, 1, number.get()));
        filter.push(instruction(0x06, 0, fail));
    }
    filter.push(instruction(0x06, 0, 0x7fff_0000));
    let program = Program {
        len: filter.len() as u16,
        filter: filter.as_ptr(),
    };
    rustix::thread::set_no_new_privs(true).expect("anybody may give up privileges");
    // SAFETY: the program and its instructions live until the call returns.
    let done = unsafe { prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// Pages that a pipe holds, whoever unmaps them: what their memory has in it can be read afterwards.
pub(crate) struct Held {
    pipe: PipeReader,
    len: usize,
}

impl Held {
    /// Holds the pages of some bytes.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let (pipe, input) = io::pipe().expect("a pipe");
        let pages = [IoSliceRaw::from_slice(bytes)];
        // SAFETY: whoever reads the pipe gets bytes by copy, and the pages are counted by the kernel as long as it has them. The
        // bytes are ordinary memory that is not written while they are read.
        let held = unsafe { vmsplice(&input, &pages, SpliceFlags::empty()) };
        assert_eq!(held, Ok(bytes.len()), "pages that a pipe can hold");
        let len = bytes.len();
        Self { pipe, len }
    }

    /// What is in that memory now.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        let mut bytes = vec![0xff; self.len];
        self.pipe.read_exact(&mut bytes).expect("pages that it has");
        bytes
    }
}

/// Runs a closure in a thread of its own to which signals are sent all the time, and says how many. Only in a child.
pub(crate) fn between_signals(run: impl FnOnce() + Send + 'static) -> usize {
    extern "C" fn nothing(_: c_int) {}

    // SAFETY: the handler does nothing.
    unsafe { signal(SIGUSR1, nothing) };
    // System calls are to end with EINTR, not to begin anew.
    // SAFETY: the call takes two numbers.
    unsafe { siginterrupt(SIGUSR1, 1) };
    let thread = std::thread::spawn(run);
    // An emulated CPU would do nothing else.
    let pause = if guest().is_there { 2000 } else { 50 };
    let mut signals = 0;
    while !thread.is_finished() {
        // SAFETY: the thread was not joined yet, so its handle names it, even if it has ended.
        unsafe { pthread_kill(thread.as_pthread_t(), SIGUSR1) };
        signals += 1;
        std::thread::sleep(core::time::Duration::from_micros(pause));
    }
    thread.join().expect("the thread ends well");
    signals
}
