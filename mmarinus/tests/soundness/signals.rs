//! What the tests of the fault handler do and that has no safe form: handlers of their own, pages that fault, bad buffers.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(
    unsafe_code,
    reason = "handlers of signals, and accesses that are meant to fault"
)]

use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::{Fault, Map, perms};
use mmarinus_sys::{self as sys, Advice, MapFlags, MprotectFlags, ProtFlags};

use crate::common::page;

/// A handler of a test.
pub(crate) type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Makes this process catch the faults of copies.
pub(crate) fn install() {
    // SAFETY: the tests block neither signal where they copy, and their later handlers pass on what is not theirs, or end the
    // process; each test that does otherwise awaits the end of a child.
    unsafe { mmarinus::fault::install() }.expect("a handler");
}

/// Whether copies are caught on this architecture.
pub(crate) fn can_catch() -> bool {
    cfg!(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64"
    ))
}

/// Sets the handler of a signal, `libc::SIG_DFL` or `libc::SIG_IGN`, and returns the address of the one before.
pub(crate) fn set_handler(signal: c_int, handler: usize, flags: c_int, blocks: &[c_int]) -> usize {
    // SAFETY: all fields are numbers, or may be zero.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    for &signal in blocks {
        // SAFETY: the set is a valid place for one.
        let added = unsafe { libc::sigaddset(&raw mut action.sa_mask, signal) };
        assert_eq!(added, 0);
    }
    let mut old = action;
    // SAFETY: both structures are valid; the handlers of the tests do what handlers may, or end the process.
    let done = unsafe { libc::sigaction(signal, &raw const action, &raw mut old) };
    assert_eq!(done, 0);
    old.sa_sigaction
}

/// Whether the calling thread blocks a signal.
pub(crate) fn is_blocked(signal: c_int) -> bool {
    // SAFETY: a set is bits.
    let mut set: libc::sigset_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the null pointer changes nothing, and the set is a valid place.
    let done = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut set) };
    assert_eq!(done, 0);
    // SAFETY: the set is a valid one.
    unsafe { libc::sigismember(&raw const set, signal) == 1 }
}

/// Sends a signal to the calling thread, as somebody else could.
pub(crate) fn raise(signal: c_int) {
    // SAFETY: the call takes a number.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

/// The address of a fault.
pub(crate) fn address_of(info: *mut libc::siginfo_t) -> usize {
    // SAFETY: the tests call it in handlers, with what the kernel gave.
    let info = unsafe { &*info };
    // SAFETY: the signals are SIGSEGV and SIGBUS, which have an address.
    unsafe { info.si_addr() }.addr()
}

/// Calls another handler.
pub(crate) fn call(
    handler: usize,
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    let handler = ptr::with_exposed_provenance::<()>(handler);
    // SAFETY: the address is that of a handler with three arguments, which was installed.
    let handler = unsafe { core::mem::transmute::<*const (), Handler>(handler) };
    handler(signal, info, context);
}

/// Ends the process at once, as a handler may.
pub(crate) fn exit(status: c_int) -> ! {
    // SAFETY: the call takes a number.
    unsafe { libc::_exit(status) }
}

/// Pages of the test's own that may not be touched.
pub(crate) fn forbidden_pages(count: usize) -> *mut u8 {
    let len = count * page();
    // SAFETY: the kernel chooses free addresses.
    let addr =
        unsafe { sys::mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), MapFlags::PRIVATE) };
    addr.expect("addresses").cast().as_ptr()
}

/// A page past the end of its file, whose touch is SIGBUS.
pub(crate) fn page_past_the_end() -> *mut u8 {
    let file = crate::common::memory_file(0);
    // SAFETY: the kernel chooses free addresses.
    let addr = unsafe {
        sys::mmap(
            ptr::null_mut(),
            page(),
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
            &file,
            0,
        )
    };
    addr.expect("addresses").cast().as_ptr()
}

/// Lets pages be touched.
pub(crate) fn allow(addr: usize, len: usize) {
    protect(addr, len, MprotectFlags::READ | MprotectFlags::WRITE);
}

/// Forbids that pages are touched.
pub(crate) fn forbid(addr: usize, len: usize) {
    protect(addr, len, MprotectFlags::empty());
}

fn protect(addr: usize, len: usize, prot: MprotectFlags) {
    let addr = ptr::with_exposed_provenance_mut(addr);
    // SAFETY: the pages are the test's own; those of a map belong to one that is only copied, which may fault.
    unsafe { sys::mprotect(addr, len, prot) }.expect("pages of the test");
}

/// Guards a page of a map that is only copied.
pub(crate) fn guard<P, K: Kind>(map: &Map<P, K, mmarinus::backing::File>, offset: usize) {
    let addr = ptr::with_exposed_provenance_mut(map.addr() + offset);
    // SAFETY: the page is in the map, which is only copied.
    unsafe { sys::madvise(addr, page(), Advice::GUARD_INSTALL) }.expect("a guard");
}

/// Reads a byte the way foreign code does, with an instruction that is no copy of ours.
pub(crate) fn touch(byte: *const u8) -> u8 {
    // SAFETY: the pages are the test's own, and that this may fault is what is tested; a volatile load is not removed.
    unsafe { byte.read_volatile() }
}

/// Copies out of a map into memory that nobody may write.
pub(crate) fn read_into_bad_buffer<K: Kind, B: Backing<K>>(
    map: &Map<perms::Read, K, B>,
    buffer: *mut u8,
    len: usize,
) -> Result<(), Fault> {
    // SAFETY: it is not; what then happens is what is tested, in a child that is to die of it.
    let buffer = unsafe { core::slice::from_raw_parts_mut(buffer, len) };
    map.read_at(0, buffer)
}

/// Runs a closure in a thread that has no alternate stack, or one of so many bytes.
pub(crate) fn in_bare_thread(run: fn(), alternate: Option<usize>) {
    struct Job {
        run: fn(),
        alternate: Option<usize>,
    }
    extern "C" fn start(job: *mut c_void) -> *mut c_void {
        // SAFETY: the pointer is that of the job, which waits for this thread.
        let job = unsafe { &*job.cast::<Job>() };
        let mut memory = vec![0_u8; job.alternate.unwrap_or(0)];
        if job.alternate.is_some() {
            let stack = libc::stack_t {
                ss_sp: memory.as_mut_ptr().cast(),
                ss_flags: 0,
                ss_size: memory.len(),
            };
            // SAFETY: the memory lives until the stack is given up below.
            let done = unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
            assert_eq!(done, 0);
        }
        (job.run)();
        let none = libc::stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        // SAFETY: the thread is not on the stack that it gives up.
        let done = unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) };
        assert_eq!(done, 0);
        ptr::null_mut()
    }

    let mut job = Job { run, alternate };
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: the job lives until the thread is joined.
    let made = unsafe {
        libc::pthread_create(
            thread.as_mut_ptr(),
            ptr::null(),
            start,
            (&raw mut job).cast(),
        )
    };
    assert_eq!(made, 0);
    // SAFETY: the call succeeded, so the thread is known.
    let thread = unsafe { thread.assume_init() };
    // SAFETY: the thread is joined once.
    assert_eq!(unsafe { libc::pthread_join(thread, ptr::null_mut()) }, 0);
}

/// Counts of a software event of the kernel, as a descriptor that maps pages of its own; none if this process may not.
pub(crate) fn perf_event() -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::{FromRawFd, OwnedFd};
    // `struct perf_event_attr`, first version: the type (software), its size, and the event (dummy), disabled.
    let mut attributes = [0_u64; 8];
    attributes[0] = 1 | 64 << 32;
    attributes[1] = 9;
    attributes[5] = 1 | 1 << 5 | 1 << 6;
    // SAFETY: the kernel reads the 64 bytes that the structure says it has.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            attributes.as_ptr(),
            0,
            -1,
            -1,
            8_u64,
        )
    };
    if fd < 0 {
        return None;
    }
    // SAFETY: the call has just opened it.
    Some(unsafe { OwnedFd::from_raw_fd(fd as c_int) })
}
