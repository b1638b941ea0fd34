//! What a safe program may leave behind: nothing. [`sound!`] runs one in a child, and compares the kernel's accounts.
//!
//! The account is that of the process in `/proc`: open descriptors, mapped ranges, locked bytes and huge pages. The allocator and
//! the threads of std must not disturb it, so the child's allocator grows only what the kernel calls `[heap]`, stacks of threads
//! that have ended are unmapped at once, and what is still on its way out is waited for.

use core::time::Duration;
use std::os::unix::process::ExitStatusExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::Instant;

use super::account::{Account, Difference, pools};
use super::{Ended, rerun};

/// The code of a child that ended well, but is not as it was before.
const NOT_AS_BEFORE: i32 = 86;

/// What stands before each finding in what the child prints.
const FINDING: &str = "unsound: ";

/// How long the threads of a child may take to be gone: they end after those who wait for them were told.
const PATIENCE: Duration = Duration::from_secs(10);

/// Memory comes from `[heap]` alone, and no stack is kept for the next thread. No backtrace maps the program's own file.
const SETTINGS: [(&str, &str); 2] = [
    (
        "GLIBC_TUNABLES",
        "glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:glibc.pthread.stack_cache_size=0",
    ),
    ("RUST_BACKTRACE", "0"),
];

/// What a sanitizer prints.
const SANITIZERS: [&str; 6] = [
    "AddressSanitizer",
    "LeakSanitizer",
    "MemorySanitizer",
    "ThreadSanitizer",
    "HWAddressSanitizer",
    "runtime error: ",
];

/// Runs a safe program in a child process, and fails unless it is sound, with the name of what is not: `sound!({ ... });`.
///
/// A signal, a panic, a hang, the report of a sanitizer, and whatever is left behind are each named. What has to stay is said
/// first: `sound!(Leak::mapped(page()), { ... });`. A program with huge pages is `sound!(huge, { ... });`: one such runs at a
/// time, and the machine's free and reserved huge pages are compared as well. What stands before it in the test is done in the
/// child too, but for another `sound!`.
macro_rules! sound {
    ($body:block) => {
        $crate::testing::sound!($crate::testing::sound::Leak::NOTHING, $body)
    };
    (huge, $body:block) => {{
        let alone = $crate::testing::sound::alone_with_huge_pages();
        $crate::testing::sound!(@ $crate::testing::sound::Leak::NOTHING, true, $body);
        drop(alone);
    }};
    ($leak:expr, $body:block) => {
        $crate::testing::sound!(@ $leak, false, $body)
    };
    (@ $leak:expr, $counts_pools:expr, $body:block) => {{
        let place = concat!(file!(), ":", line!(), ":", column!());
        if $crate::testing::is_child(place) {
            $crate::testing::sound::run_in_child(&$leak, $counts_pools, || $body);
        }
        // The child of another block comes by here, and has nothing to do.
        if !$crate::testing::is_any_child() {
            $crate::testing::sound::assert_sound($crate::testing::test_name!(), place);
        }
    }};
}
pub(crate) use sound;

/// What a program leaves behind on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leak {
    /// Open descriptors.
    pub(crate) fds: usize,
    /// Bytes that are mapped.
    pub(crate) mapped: usize,
    /// Bytes that are locked.
    pub(crate) locked: usize,
}

impl Leak {
    /// What nearly all programs leave behind.
    pub(crate) const NOTHING: Self = Self {
        fds: 0,
        mapped: 0,
        locked: 0,
    };

    /// So many bytes stay mapped.
    pub(crate) const fn mapped(bytes: usize) -> Self {
        Self {
            mapped: bytes,
            ..Self::NOTHING
        }
    }
}

/// Programs with huge pages hold it, so that the machine's account shows what one of them did.
static HUGE: Mutex<()> = Mutex::new(());

/// Waits until no other program of this binary has huge pages. Binaries run one after the other.
pub(crate) fn alone_with_huge_pages() -> MutexGuard<'static, ()> {
    HUGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the program and ends the child: well if everything is as it was, but for what is said to stay.
pub(crate) fn run_in_child<T>(leak: &Leak, counts_pools: bool, run: impl FnOnce() -> T) -> ! {
    let before = Before::read(counts_pools);
    drop(run());
    before.judge(leak)
}

/// How things stood before the program ran.
#[derive(Debug)]
struct Before {
    account: Account,
    pools: Option<super::account::Pools>,
}

impl Before {
    /// Reads the account; that of the machine's huge pages only if it is asked for.
    fn read(counts_pools: bool) -> Self {
        // What is made once and kept is made now.
        drop(Account::read());
        thread::spawn(|| {})
            .join()
            .expect("a thread that does nothing");
        Self {
            account: Account::read(),
            pools: counts_pools.then(pools),
        }
    }

    fn judge(&self, leak: &Leak) -> ! {
        let begin = Instant::now();
        // The stack of a thread that nobody waited for is unmapped when the next one ends; one may have to end for another.
        let mut threads_more = 3;
        loop {
            let account = Account::read();
            let findings = self.findings(&account, leak);
            if findings.is_empty() {
                std::process::exit(0);
            }
            if account.threads > self.account.threads && begin.elapsed() < PATIENCE {
                sleep(Duration::from_millis(10));
            } else if threads_more > 0 {
                // Said before a thread ends, which cannot be if the program has forbidden what that needs.
                println!("\nat its end: {}", findings.join("; "));
                threads_more -= 1;
                if let Ok(thread) = thread::Builder::new().spawn(|| {}) {
                    drop(thread.join());
                }
            } else {
                for finding in findings {
                    println!("{FINDING}{finding}");
                }
                std::process::exit(NOT_AS_BEFORE);
            }
        }
    }

    fn findings(&self, account: &Account, leak: &Leak) -> Vec<String> {
        let mut findings = name(&account.since(&self.account), leak);
        if let Some(before) = &self.pools {
            let now = pools();
            if now != *before {
                findings.push(format!(
                    "leak: huge pages of the machine; free, reserved, surplus were {before:?} and are {now:?}"
                ));
            }
        }
        findings
    }
}

/// The names of what differs from what should.
fn name(difference: &Difference, leak: &Leak) -> Vec<String> {
    let mut findings = Vec::new();
    let mut find = |is_so: bool, what: String, which: &[String]| {
        if is_so {
            let which: Vec<&str> = which.iter().take(4).map(String::as_str).collect();
            findings.push(format!("{what} {}", which.join("; ")).trim_end().to_owned());
        }
    };
    let Difference {
        fds,
        lost_fds,
        mapped,
        changed,
        ..
    } = difference;
    let (bytes, locked, huge) = (difference.mapped_bytes, difference.locked, difference.huge);
    let said = |count: usize| match count {
        0 => String::new(),
        count => format!(" instead of {count}"),
    };
    find(
        fds.len() != leak.fds,
        format!("leak: {} fds{}:", fds.len(), said(leak.fds)),
        fds,
    );
    find(
        !lost_fds.is_empty(),
        format!("lost: {} fds:", lost_fds.len()),
        lost_fds,
    );
    find(
        bytes != leak.mapped as u64,
        format!(
            "leak: {} VMAs, {bytes} mapped bytes{}:",
            mapped.len(),
            said(leak.mapped)
        ),
        mapped,
    );
    find(
        !changed.is_empty(),
        format!("changed: {} ranges of others:", changed.len()),
        changed,
    );
    find(
        locked != leak.locked as i64,
        format!("leak: {locked} locked bytes{}", said(leak.locked)),
        &[],
    );
    find(huge != 0, format!("leak: {huge} bytes of huge pages"), &[]);
    findings
}

/// Runs the child, and asserts that it is sound.
///
/// # Panics
///
/// With the name of each thing that is not.
pub(crate) fn assert_sound(test: &str, place: &str) {
    let ended = rerun(test, place, &SETTINGS);
    let findings = what_is_unsound(&ended);
    assert!(findings.is_empty(), "unsound: {}", findings.join("; "));
}

/// What is wrong with how a child ended and with what it said.
pub(crate) fn what_is_unsound(ended: &Ended) -> Vec<String> {
    let lines = ended.said.iter();
    let mut findings: Vec<String> = lines
        .filter_map(|line| {
            let finding = line.strip_prefix(FINDING).map(str::to_owned);
            let report = SANITIZERS.iter().any(|name| line.contains(name));
            finding.or_else(|| report.then(|| format!("report of a sanitizer: {line}")))
        })
        .collect();
    let end = match (ended.in_time, ended.status.code(), ended.status.signal()) {
        (false, ..) => Some("it hung".to_owned()),
        (_, Some(0), _) => None,
        (_, Some(NOT_AS_BEFORE), _) if !findings.is_empty() => None,
        (_, Some(101), _) => Some("it panicked".to_owned()),
        (_, Some(code), _) => Some(format!("it ended with code {code}")),
        (_, None, signal) => Some(format!("signal {}", signal_name(signal.unwrap_or(0)))),
    };
    findings.extend(end);
    findings
}

/// The name of a signal that ends programs.
fn signal_name(signal: i32) -> String {
    // These have the same number everywhere but SIGBUS, which has it where our tests run.
    let name = match signal {
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        31 => "SIGSYS",
        _ => return signal.to_string(),
    };
    format!("{signal}, {name}")
}
