//! All that the tests do and that has no safe form: promises about their own files, calls that rustix is not built with.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(
    unsafe_code,
    reason = "promises that the tests keep, and calls into the C library that std links"
)]

use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::thread::{JoinHandleExt, RawPthread};

use mmarinus::backing::{Backing, Device, File, Present, Stable, Unsliced};
use mmarinus::builder::Onto;
use mmarinus::kind::Kind;
use mmarinus::perms::{MayWrite, Permissions};
use mmarinus::{Builder, Errno, Error, Fault, Map};

use crate::common::memory_file;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn timerfd_create(clock: c_int, flags: c_int) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn unshare(flags: c_int) -> c_int;
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn signal(signal: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn siginterrupt(signal: c_int, interrupt: c_int) -> c_int;
    fn pthread_kill(thread: RawPthread, signal: c_int) -> c_int;
    fn fork() -> c_int;
    fn _exit(status: c_int) -> !;
}

/// A map of a file that nobody else has, with the bytes of the pattern.
pub(crate) fn stable<P: Permissions, K: Kind>(len: usize, kind: K, perms: P) -> Map<P, K, Stable> {
    let file = memory_file(len);
    let map = Map::bytes(len).from(&file, 0).with_kind(kind).with(perms);
    let map = map.expect("a map of a file");
    // SAFETY: the file has no name, its only descriptor is closed at the end, it reaches the end of the map, and its bytes were
    // all written, so its pages are there.
    unsafe { map.assume_stable() }
}

/// A map of a file that nobody truncates, with the bytes of the pattern.
pub(crate) fn present<P: Permissions, K: Kind>(
    len: usize,
    kind: K,
    perms: P,
) -> Map<P, K, Present> {
    let file = memory_file(len);
    let map = Map::bytes(len).from(&file, 0).with_kind(kind).with(perms);
    let map = map.expect("a map of a file");
    // SAFETY: the file has no name, its only descriptor is closed at the end, it reaches the end of the map, and its bytes were
    // all written, so its pages are there.
    unsafe { map.assume_present() }
}

/// Promises that a file is the map's alone; the caller is a test that keeps it.
pub(crate) fn keep_stable<P, K: Kind>(map: Map<P, K, File>) -> Map<P, K, Stable> {
    // SAFETY: the caller writes the file only through this map, and its blocks are allocated.
    unsafe { map.assume_stable() }
}

/// Makes guards of pages of a map.
pub(crate) fn install_guards<P, K: Kind, B: Backing<K>>(
    map: &mut Map<P, K, B>,
    range: core::ops::Range<usize>,
) -> Result<(), Errno> {
    assert!(range.end <= map.len() && map.addr().is_multiple_of(mmarinus_sys::page_size()));
    let start = map.as_mut_ptr().wrapping_add(range.start).cast();
    // SAFETY: the pages are the map's, which is borrowed mutably; the test touches them no more.
    unsafe { mmarinus_sys::madvise(start, range.len(), mmarinus_sys::Advice::GUARD_INSTALL) }
}

/// Promises that a file is all there and stays so; the caller is a test that keeps it.
pub(crate) fn keep_present<P, K: Kind>(map: Map<P, K, File>) -> Map<P, K, Present> {
    // SAFETY: each caller maps a file of its own, whole and written, and does not truncate it while the map lives.
    unsafe { map.assume_present() }
}

/// Promises that a device is memory that stays; the caller maps one of memory, such as `/dev/zero`.
pub(crate) fn keep_present_device<P, K: Kind>(map: Map<P, K, Device>) -> Map<P, K, Present> {
    // SAFETY: pages of `/dev/zero` are anonymous memory.
    unsafe { map.assume_present() }
}

/// Ends a request for a map in the place of something that the test owns.
pub(crate) fn replace<P: Permissions, K: Kind, B: Backing<K>>(
    request: Builder<'_, K, B, Onto>,
    perms: P,
) -> Result<Map<P, K, B>, Error> {
    // SAFETY: each caller asks for addresses that it has leaked, or for ones that no request gets past the checks with.
    unsafe { request.replace(perms) }
}

/// Writes to memory that is known to be harmless.
pub(crate) fn write_device<P: MayWrite, K: Kind, B: Backing<K> + Unsliced<K>>(
    map: &mut Map<P, K, B>,
    offset: usize,
    bytes: &[u8],
) -> Result<(), Fault> {
    // SAFETY: each caller maps `/dev/zero` or a file.
    unsafe { map.write_device_at(offset, bytes) }
}

/// The descriptor that a call returned, or its error.
fn owned(fd: c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just opened it, so it is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as c_int) })
}

/// A timer as a descriptor.
pub(crate) fn timer() -> OwnedFd {
    const CLOCK_MONOTONIC: c_int = 1;
    // SAFETY: the call takes two numbers.
    let fd = unsafe { timerfd_create(CLOCK_MONOTONIC, 0) };
    owned(c_long::from(fd)).expect("a timer")
}

/// A ring of io_uring with 8 entries.
pub(crate) fn io_uring() -> io::Result<OwnedFd> {
    // The same number on every architecture of Rust's but alpha, which it does not have.
    const SYS_IO_URING_SETUP: c_long = 425;
    let mut params = [0_u32; 30];
    // SAFETY: the kernel writes the 120 bytes of `io_uring_params`.
    let fd = unsafe { syscall(SYS_IO_URING_SETUP, 8 as c_uint, params.as_mut_ptr()) };
    owned(fd)
}

/// Copies the byte at any address, as the kernel does for another process.
pub(crate) fn peek(address: usize) -> Result<u8, Errno> {
    let mut byte = 0_u8;
    let local = [mmarinus_sys::IoVec::new((&raw mut byte).cast(), 1)];
    let remote = [mmarinus_sys::IoVec::new(
        core::ptr::without_provenance_mut(address),
        1,
    )];
    let thread = rustix::thread::gettid();
    // SAFETY: the kernel writes one byte of ours, and gives an error where it cannot read.
    unsafe { mmarinus_sys::process_vm_readv(thread, &local, &remote) }.map(|_| byte)
}

/// The number of the signal that is for us to use.
const SIGUSR1: c_int = rustix::process::Signal::USR1.as_raw();

/// A system call that the tests make fail or make themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Mprotect,
    Munmap,
    Mremap,
    Msync,
    Mseal,
    ProcessVmReadv,
    ProcessVmWritev,
    Exit,
    Tgkill,
    Ioctl,
    Fallocate,
    Mbind,
    GetMempolicy,
    MovePages,
    Cachestat,
    Userfaultfd,
    MemfdSecret,
    PkeyAlloc,
    Mlock2,
    Membarrier,
    ProcessMadvise,
    SetMempolicyHomeNode,
    Mincore,
    Prctl,
    Madvise,
    Fstatfs,
    Getrandom,
    Mlock,
    Munlock,
}

impl Call {
    /// Its number, where the tests know it.
    fn number(self) -> Result<u32, String> {
        let number = if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
            match self {
                Self::Mprotect => 10,
                Self::Munmap => 11,
                Self::Ioctl => 16,
                Self::Fallocate => 285,
                Self::Mbind => 237,
                Self::GetMempolicy => 239,
                Self::MovePages => 279,
                Self::Cachestat => 451,
                Self::Mremap => 25,
                Self::Msync => 26,
                Self::Exit => 60,
                Self::Tgkill => 234,
                Self::ProcessVmReadv => 310,
                Self::ProcessVmWritev => 311,
                Self::Mseal => 462,
                Self::Userfaultfd => 323,
                Self::MemfdSecret => 447,
                Self::PkeyAlloc => 330,
                Self::Mlock2 => 325,
                Self::Membarrier => 324,
                Self::ProcessMadvise => 440,
                Self::SetMempolicyHomeNode => 450,
                Self::Mincore => 27,
                Self::Prctl => 157,
                Self::Madvise => 28,
                Self::Fstatfs => 138,
                Self::Getrandom => 318,
                Self::Mlock => 149,
                Self::Munlock => 150,
            }
        } else if cfg!(any(target_arch = "aarch64", target_arch = "riscv64")) {
            match self {
                Self::Ioctl => 29,
                Self::Fallocate => 47,
                Self::Mbind => 235,
                Self::GetMempolicy => 236,
                Self::MovePages => 239,
                Self::Cachestat => 451,
                Self::Exit => 93,
                Self::Tgkill => 131,
                Self::Munmap => 215,
                Self::Mremap => 216,
                Self::Mprotect => 226,
                Self::Msync => 227,
                Self::ProcessVmReadv => 270,
                Self::ProcessVmWritev => 271,
                Self::Mseal => 462,
                Self::Userfaultfd => 282,
                Self::MemfdSecret => 447,
                Self::PkeyAlloc => 289,
                Self::Mlock2 => 284,
                Self::Membarrier => 283,
                Self::ProcessMadvise => 440,
                Self::SetMempolicyHomeNode => 450,
                Self::Mincore => 232,
                Self::Prctl => 167,
                Self::Madvise => 233,
                Self::Fstatfs => 44,
                Self::Getrandom => 278,
                Self::Mlock => 228,
                Self::Munlock => 229,
            }
        } else {
            return Err(format!("the number of {self:?} is not known here"));
        };
        Ok(number)
    }
}

/// Whether [`forbid`] can be expected to work: where not, why.
pub(crate) fn can_forbid() -> Result<(), String> {
    Call::Munmap.number()?;
    match std::fs::exists("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(true) => Ok(()),
        _ => Err("the kernel has no seccomp filters".into()),
    }
}

/// Makes system calls fail with an errno, by seccomp, for the calling thread and its children. Only in a child.
///
/// The answer is the reason why that cannot be.
pub(crate) fn forbid(calls: &[Call], errno: Errno) -> Result<(), String> {
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
    const PR_SET_NO_NEW_PRIVS: c_int = 38;
    const PR_SET_SECCOMP: c_int = 22;
    const SECCOMP_MODE_FILTER: c_ulong = 2;

    let instruction = |code, if_false, k| Instruction {
        code,
        if_true: 0,
        if_false,
        k,
    };
    // Load the number of the call; where it is one of these, fail; at last allow.
    let mut filter = vec![instruction(0x20, 0, 0)];
    for call in calls {
        filter.push(instruction(0x15, 1, call.number()?));
        filter.push(instruction(
            0x06,
            0,
            0x0005_0000 | errno.raw_os_error() as u32,
        ));
    }
    filter.push(instruction(0x06, 0, 0x7fff_0000));
    let program = Program {
        len: filter.len() as u16,
        filter: filter.as_ptr(),
    };
    let one: c_ulong = 1;
    let none: c_ulong = 0;
    // SAFETY: the call takes numbers.
    if unsafe { prctl(PR_SET_NO_NEW_PRIVS, one, none, none, none) } != 0 {
        return Err(format!("prctl: {}", io::Error::last_os_error()));
    }
    // SAFETY: the program and its instructions live until the call returns.
    if unsafe { prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program) } != 0 {
        return Err(format!("seccomp: {}", io::Error::last_os_error()));
    }
    Ok(())
}

/// Mounts an empty tmpfs of so many bytes over a directory, for the calling thread alone.
///
/// The answer is the reason why that cannot be.
pub(crate) fn mount_memory(directory: &std::path::Path, bytes: usize) -> Result<(), String> {
    mount_over(directory, c"tmpfs", 0, &format!("size={bytes}"))
}

/// The flag of a mount whose files are not executed: `MS_NOEXEC`.
pub(crate) const NOEXEC: c_ulong = 8;

/// Mounts an empty file system over a directory, for the calling thread alone.
///
/// The answer is the reason why that cannot be.
pub(crate) fn mount_over(
    directory: &std::path::Path,
    kind: &core::ffi::CStr,
    flags: c_ulong,
    options: &str,
) -> Result<(), String> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    const CLONE_NEWNS: c_int = 0x0002_0000;
    const MS_REC: c_ulong = 0x4000;
    const MS_PRIVATE: c_ulong = 1 << 18;

    let done = |answer: c_int, what: &str| match answer {
        0 => Ok(()),
        _ => Err(format!("{what}: {}", io::Error::last_os_error())),
    };
    let directory = CString::new(directory.as_os_str().as_bytes()).expect("a path has no zeros");
    let options = CString::new(options).expect("no zeros");
    let none = core::ptr::null();
    // SAFETY: the call takes a number; the thread alone gets mounts of its own.
    done(unsafe { unshare(CLONE_NEWNS) }, "unshare")?;
    // SAFETY: the strings live until the call returns; it changes the mounts of this thread alone.
    let private = unsafe { mount(none, c"/".as_ptr(), none, MS_REC | MS_PRIVATE, none.cast()) };
    done(private, "mount of / as private")?;
    let (kind, data) = (kind.as_ptr(), options.as_ptr().cast());
    // SAFETY: as above.
    let mounted = unsafe { mount(kind, directory.as_ptr(), kind, flags, data) };
    done(mounted, "mount over a directory")
}

/// Ends the main thread, but not the process, and waits until it is gone. Only in a child, and not on its main thread.
///
/// The answer is the reason why that cannot be.
pub(crate) fn end_main_thread() -> Result<(), String> {
    extern "C" fn end(_: c_int) {
        // The number is known, or the handler would not be installed.
        let exit = Call::Exit.number().map_or(0, c_long::from);
        // SAFETY: ends the thread that runs this handler; a process ends by another call, which the test makes.
        unsafe { syscall(exit, 0 as c_long) };
    }

    Call::Exit.number()?;
    // SAFETY: the handler makes one system call, which handlers may.
    unsafe { signal(SIGUSR1, end) };
    let process = rustix::process::getpid();
    let number = c_long::from(process.as_raw_nonzero().get());
    let tgkill = c_long::from(Call::Tgkill.number()?);
    // The main thread has the number of the process. A signal to the process could be taken by any thread.
    // SAFETY: the call takes numbers.
    if unsafe { syscall(tgkill, number, number, c_long::from(SIGUSR1)) } != 0 {
        return Err(format!("tgkill: {}", io::Error::last_os_error()));
    }
    let status = format!("/proc/thread-self/../{process}/status");
    loop {
        let status = std::fs::read_to_string(&status).map_err(|error| error.to_string())?;
        if status.lines().any(|line| line.starts_with("State:\tZ")) {
            return Ok(());
        }
        std::thread::yield_now();
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
    let mut signals = 0;
    while !thread.is_finished() {
        // SAFETY: the thread was not joined yet, so its handle names it, even if it has ended.
        unsafe { pthread_kill(thread.as_pthread_t(), SIGUSR1) };
        signals += 1;
        std::thread::sleep(core::time::Duration::from_micros(50));
    }
    thread.join().expect("the thread ends well");
    signals
}

/// Lets the kernel merge all pages of the process, or not, whoever moves some meanwhile. Only in a child.
pub(crate) fn merge_behind_the_back(merge: bool) {
    // SAFETY: none: it breaks what moves rest on, so that they fail half way, in a child that has nothing to lose.
    unsafe { mmarinus_sys::set_memory_merge(merge) }.expect("it was possible before");
}

/// Runs a closure in a forked process, waits for it, and says whether it ended well. Only in a child.
///
/// The closure allocates nothing: another thread may have held the lock of the allocator when the process was forked.
pub(crate) fn in_fork(run: impl FnOnce() -> bool) -> bool {
    // SAFETY: the new process runs only the closure, which makes no call that needs a lock, and ends.
    let pid = unsafe { fork() };
    if pid == 0 {
        let status = c_int::from(!run());
        // SAFETY: ends the process at once.
        unsafe { _exit(status) };
    }
    let pid = rustix::process::Pid::from_raw(pid).expect("a process was forked");
    let status = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    let (_, status) = status.expect("it can be waited for").expect("it has ended");
    status.exit_status() == Some(0)
}

/// Reads one byte, whatever is there.
pub(crate) fn touch(address: usize) -> u8 {
    let ptr = core::ptr::with_exposed_provenance::<u8>(address);
    // SAFETY: none: the child that does this is there to be killed.
    unsafe { ptr.read_volatile() }
}

/// Writes one byte, whatever is there.
pub(crate) fn overwrite(address: usize) {
    let ptr = core::ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: none: the child that does this is there to be killed.
    unsafe { ptr.write_volatile(1) }
}

/// Writes what may be a device's, here `/dev/zero`, whose pages are plain memory.
pub(crate) fn write_window(
    window: &mmarinus::Window<'_>,
    offset: usize,
    bytes: &[u8],
) -> Result<(), mmarinus::Fault> {
    // SAFETY: the tests place no other device.
    unsafe { window.write_device_at(offset, bytes) }
}

/// Runs a function in machine code.
pub(crate) fn call(code: *const u8) -> i32 {
    // SAFETY: each caller wrote a function of that type for this CPU there, and published it.
    let function = unsafe { core::mem::transmute::<*const u8, extern "C" fn() -> c_int>(code) };
    function()
}
