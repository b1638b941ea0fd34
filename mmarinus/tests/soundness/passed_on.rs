//! Signals that are no fault of a copy, with the fault handler installed: they reach the handlers of the program, or kill as they
//! would have.
#![forbid(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::os::unix::process::ExitStatusExt;

use libc::{SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_SIGINFO, SIG_DFL, SIG_IGN, SIGBUS, SIGSEGV};
use libc::{SIGUSR1, SIGUSR2};
use mmarinus::{Errno, Map, perms};

use crate::common::{memory_file, page};
use crate::signals::{
    Handler, address_of, allow, call, can_catch, exit, forbid, forbidden_pages, in_bare_thread,
    install, is_blocked, page_past_the_end, raise, read_into_bad_buffer, set_handler, touch,
};
use crate::testing::{in_child, skip};

/// How often the handler of the program ran.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The page that the handler of the program repairs.
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// The handler that was there before a later one.
static BEFORE: AtomicUsize = AtomicUsize::new(0);

/// Makes the page accessible, so that the access succeeds after all.
extern "C" fn repair(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    let page_of_program = PAGE.load(SeqCst);
    if address_of(info) & !(page() - 1) != page_of_program {
        exit(77);
    }
    CALLS.fetch_add(1, SeqCst);
    allow(page_of_program, page());
}

/// The same, told of nothing but the signal.
extern "C" fn repair_plainly(signal: c_int) {
    if signal != SIGSEGV {
        exit(78);
    }
    CALLS.fetch_add(1, SeqCst);
    allow(PAGE.load(SeqCst), page());
}

/// Repairs what is the program's, and passes on what is not.
extern "C" fn repair_or_pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    if address_of(info) & !(page() - 1) == PAGE.load(SeqCst) {
        repair(signal, info, context);
    } else {
        call(BEFORE.load(SeqCst), signal, info, context);
    }
}

/// Counts.
extern "C" fn count(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    CALLS.fetch_add(1, SeqCst);
}

/// Ends the process in a way that a test can tell.
extern "C" fn leave(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    exit(42);
}

/// Puts the default in its own place and returns, as the handler of the standard library does.
extern "C" fn give_up(signal: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    CALLS.fetch_add(1, SeqCst);
    set_handler(signal, SIG_DFL, 0, &[]);
}

fn address(handler: Handler) -> usize {
    handler as *const () as usize
}

/// A page of the program that its handler repairs.
fn broken_page() -> *mut u8 {
    let page_of_program = forbidden_pages(1);
    PAGE.store(page_of_program.expose_provenance(), SeqCst);
    page_of_program
}

/// Asserts that faults of copies are still caught, by SIGBUS and by SIGSEGV.
fn assert_catches() {
    let file = memory_file(3 * page());
    let map = Map::bytes(3 * page())
        .from(&file, 0)
        .with(perms::Read)
        .unwrap();
    let mut buffer = vec![0; 2 * page()];
    forbid(map.addr() + page(), page());
    let fault = map.read_at(page() - 20, &mut buffer).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 20));
    file.set_len(page() as u64 / 2).unwrap();
    let fault = map.read_at(2 * page(), &mut buffer[..9]).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 0));
}

#[test]
fn the_handler_before_gets_what_is_its_own() {
    let status = in_child!({
        let broken = broken_page();
        set_handler(SIGSEGV, address(repair), SA_SIGINFO | SA_ONSTACK, &[]);
        install();
        assert_catches();
        assert_eq!(CALLS.load(SeqCst), 0);
        for calls in 1..4 {
            assert_eq!(touch(broken), 0);
            assert_eq!(CALLS.load(SeqCst), calls);
            forbid(PAGE.load(SeqCst), page());
            assert_catches();
        }
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_handler_before_of_the_old_sort() {
    let status = in_child!({
        let broken = broken_page();
        let handler: extern "C" fn(c_int) = repair_plainly;
        set_handler(SIGSEGV, handler as *const () as usize, 0, &[]);
        install();
        assert_eq!(touch(broken), 0);
        assert_eq!(CALLS.load(SeqCst), 1);
        assert_catches();
    });
    assert!(status.success(), "{status}");
}

#[test]
fn the_handler_before_blocks_what_it_wants_blocked() {
    /// Exits unless exactly these are blocked in it, and repairs the page.
    extern "C" fn look(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        if [SIGUSR1, SIGUSR2, SIGSEGV].map(is_blocked) != [true, false, true] {
            exit(79);
        }
        repair(signal, info, context);
    }
    let status = in_child!({
        let broken = broken_page();
        set_handler(SIGSEGV, address(look), SA_SIGINFO, &[SIGUSR1]);
        install();
        assert_eq!(touch(broken), 0);
        assert!(![SIGUSR1, SIGUSR2, SIGSEGV].into_iter().any(is_blocked));
        assert_catches();
        assert!(![SIGUSR1, SIGUSR2, SIGSEGV].into_iter().any(is_blocked));
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_handler_before_that_may_be_interrupted_by_itself() {
    /// Faults itself, once, and copies, which faults as well.
    extern "C" fn nested(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        if CALLS.fetch_add(1, SeqCst) == 0 {
            raise(SIGSEGV);
            assert_catches();
            repair(signal, info, context);
        }
    }
    /// On the stack of the thread: an alternate one has no room for so many frames.
    fn run() {
        let broken = broken_page();
        set_handler(SIGSEGV, address(nested), SA_SIGINFO | SA_NODEFER, &[]);
        install();
        assert_eq!(touch(broken), 0);
        assert_eq!(CALLS.load(SeqCst), 3);
    }
    let status = in_child!({ in_bare_thread(run, None) });
    assert!(status.success(), "{status}");
}

#[test]
fn a_handler_before_that_is_called_once() {
    let status = in_child!({
        let broken = broken_page();
        set_handler(SIGSEGV, address(repair), SA_SIGINFO | SA_RESETHAND, &[]);
        install();
        assert_catches();
        assert_eq!(touch(broken), 0);
        assert_catches();
        assert_eq!(CALLS.load(SeqCst), 1);
        forbid(PAGE.load(SeqCst), page());
        touch(broken);
    });
    assert_eq!(status.signal(), Some(SIGSEGV));
}

#[test]
fn a_handler_before_that_ends_the_process() {
    let status = in_child!({
        set_handler(SIGSEGV, address(leave), SA_SIGINFO, &[]);
        install();
        assert_catches();
        touch(forbidden_pages(1));
    });
    assert_eq!(status.code(), Some(42));
}

#[test]
fn a_handler_before_that_gives_up_is_not_in_the_way() {
    let status = in_child!({
        set_handler(SIGSEGV, address(give_up), SA_SIGINFO, &[]);
        set_handler(SIGBUS, address(give_up), SA_SIGINFO, &[]);
        install();
        // What is sent does not come again.
        raise(SIGSEGV);
        raise(SIGBUS);
        assert_eq!(CALLS.load(SeqCst), 2);
        assert_catches();
        // And now it is the default.
        raise(SIGBUS);
    });
    assert_eq!(status.signal(), Some(SIGBUS));
    let status = in_child!({
        set_handler(SIGSEGV, address(give_up), SA_SIGINFO, &[]);
        install();
        touch(forbidden_pages(1));
    });
    assert_eq!(status.signal(), Some(SIGSEGV));
}

#[test]
fn a_later_handler_that_passes_on() {
    let status = in_child!({
        install();
        for signal in [SIGSEGV, SIGBUS] {
            let flags = SA_SIGINFO | SA_ONSTACK;
            BEFORE.store(
                set_handler(signal, address(repair_or_pass_on), flags, &[]),
                SeqCst,
            );
        }
        assert_catches();
        assert_eq!(CALLS.load(SeqCst), 0);
        assert_eq!(touch(broken_page()), 0);
        assert_eq!(CALLS.load(SeqCst), 1);
        assert_catches();
        // To install it again changes nothing, and makes no circle.
        install();
        assert_catches();
        touch(forbidden_pages(1));
    });
    assert_eq!(status.signal(), Some(SIGSEGV));
}

#[test]
fn a_real_fault_kills_with_its_signal() {
    let status = in_child!({
        install();
        assert_catches();
        touch(forbidden_pages(1));
    });
    assert_eq!(status.signal(), Some(SIGSEGV));
    let status = in_child!({
        install();
        assert_catches();
        touch(page_past_the_end());
    });
    assert_eq!(status.signal(), Some(SIGBUS));
}

#[test]
fn by_default_a_signal_kills() {
    let status = in_child!({
        set_handler(SIGSEGV, SIG_DFL, 0, &[]);
        install();
        assert_catches();
        touch(forbidden_pages(1));
    });
    assert_eq!(status.signal(), Some(SIGSEGV));
    let status = in_child!({
        set_handler(SIGBUS, SIG_DFL, 0, &[]);
        install();
        assert_catches();
        touch(page_past_the_end());
    });
    assert_eq!(status.signal(), Some(SIGBUS));
    // Also one that is sent.
    let status = in_child!({
        set_handler(SIGBUS, SIG_DFL, 0, &[]);
        install();
        raise(SIGBUS);
    });
    assert_eq!(status.signal(), Some(SIGBUS));
}

#[test]
fn what_is_ignored_stays_ignored_unless_it_is_a_fault() {
    let status = in_child!({
        set_handler(SIGSEGV, SIG_IGN, 0, &[]);
        set_handler(SIGBUS, SIG_IGN, 0, &[]);
        install();
        raise(SIGSEGV);
        raise(SIGBUS);
        assert_catches();
        touch(forbidden_pages(1));
    });
    assert_eq!(status.signal(), Some(SIGSEGV));
}

#[test]
fn what_is_sent_reaches_the_handler_before() {
    let status = in_child!({
        set_handler(SIGSEGV, address(count), SA_SIGINFO, &[]);
        set_handler(SIGBUS, address(count), SA_SIGINFO, &[]);
        install();
        for _ in 0..10 {
            raise(SIGSEGV);
            raise(SIGBUS);
        }
        assert_eq!(CALLS.load(SeqCst), 20);
        assert_catches();
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_stack_that_overflows_is_still_told() {
    #[expect(
        unconditional_recursion,
        reason = "it is to end at the end of the stack"
    )]
    fn recurse(depth: usize) -> usize {
        let bytes = core::hint::black_box([depth as u8; 1000]);
        recurse(depth + 1) + usize::from(bytes[depth % 1000])
    }
    let status = in_child!({
        install();
        // The standard library says so, and aborts.
        std::thread::spawn(|| recurse(0)).join().unwrap();
    });
    assert_eq!(status.signal(), Some(libc::SIGABRT));
}

#[test]
fn a_fault_of_the_buffer_is_not_swallowed() {
    if !can_catch() {
        skip!("copies are not caught on this architecture");
    }
    let status = in_child!({
        install();
        let file = memory_file(page());
        let map = Map::bytes(page()).from(&file, 0).with(perms::Read).unwrap();
        let result = read_into_bad_buffer(&map, forbidden_pages(1), 100);
        assert!(result.is_ok(), "it dies, and does not get here: {result:?}");
    });
    assert_eq!(status.signal(), Some(SIGSEGV));
}
