//! Which thread this is, in a form that others can ask the kernel about, and whether such a thread has died.

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};
use std::fs;
use std::io;
use std::sync::OnceLock;

use mmarinus::backing::Exposed;
use mmarinus::{Errno, Map, Private, perms};
use rustix::process::{Pid, test_kill_process};
use rustix::thread::gettid;

use super::error::Error;
use super::protocol::NUMBER;

/// A thread, as the words of a lock name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The number of the thread, and from bit 32 on the clock tick in which it started, without what is more than 32 bits: the
    /// same number would have to be given again after 497 days, to the tick, to be taken for this one.
    pub(super) owner: u64,
    /// The namespaces in which number and start mean something. Not 0.
    pub(super) domain: u32,
}

thread_local! {
    /// What this thread has learned of itself, and in which generation of the process.
    static KNOWN: Cell<Option<(u32, Identity)>> = const { Cell::new(None) };
}

/// Which thread this is.
#[inline]
pub(super) fn mine() -> Result<Identity, Error> {
    let generation = generation();
    match KNOWN.get() {
        Some((then, identity)) if Some(then) == generation => Ok(identity),
        _ => ask(generation),
    }
}

/// Whether this is the thread that has taken a lock: not so in a child that was forked since.
#[inline]
pub(super) fn is_mine(identity: Identity) -> bool {
    match (generation(), KNOWN.get()) {
        (Some(now), Some((then, known))) => now == then && known == identity,
        _ => identity.owner & NUMBER == number(gettid()),
    }
}

/// Asks the kernel.
#[cold]
fn ask(generation: Option<u32>) -> Result<Identity, Error> {
    let unknown = |error: io::Error| Error::Unknown(errno_of(&error));
    let stat = fs::read("/proc/thread-self/stat").map_err(unknown)?;
    let number = number(gettid());
    let stat = Stat::parse(&stat).ok_or(Error::Unknown(Errno::IO))?;
    // A `/proc` of another namespace has other numbers.
    if stat.number != number || number & !NUMBER != 0 {
        return Err(Error::Unknown(Errno::XDEV));
    }
    let identity = Identity {
        owner: number | stat.start << 32,
        domain: domain()?,
    };
    if let Some(generation) = generation {
        KNOWN.set(Some((generation, identity)));
    }
    Ok(identity)
}

/// The namespaces in which numbers and starts of threads mean something, as one number that is not 0.
fn domain() -> Result<u32, Error> {
    let inode = |name| match rustix::fs::stat(name) {
        Ok(stat) => Ok(stat.st_ino as u32),
        // A kernel that has no such namespaces.
        Err(Errno::NOENT) => Ok(0),
        Err(errno) => Err(Error::Unknown(errno)),
    };
    let pid: u32 = inode("/proc/thread-self/ns/pid")?;
    let time = inode("/proc/thread-self/ns/time")?;
    // Both count upwards from about the same number.
    Ok((pid.rotate_left(16) ^ time).max(1))
}

/// How often this process's memory was forked: another number after each fork. `None` if that cannot be told, and then nothing
/// that was learned before is used.
#[inline]
fn generation() -> Option<u32> {
    static PAGE: OnceLock<Option<Map<perms::ReadWrite, Private, Exposed>>> = OnceLock::new();
    static LAST: AtomicU32 = AtomicU32::new(0);

    let page = PAGE.get_or_init(|| {
        // The kernel gives zeros to a forked child in its place.
        let map = Map::bytes(size_of::<AtomicU32>())
            .anonymously()
            .wipe_on_fork()
            .with(perms::ReadWrite);
        Some(map.ok()?.expose())
    });
    let word = &page.as_ref()?.atomics::<AtomicU32>(..).ok()?[0];
    match word.load(Ordering::Relaxed) {
        0 => {
            // The count goes on where that of the parent stood, so it is none that a thread has noted before.
            let next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1);
            let set = word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed);
            Some(set.err().unwrap_or(next))
        }
        generation => Some(generation),
    }
}

/// Whether the thread that a word of a lock names has certainly died.
///
/// A word can hold anything, and `/proc` can be missing or hide other users' processes; what is not certain is not so.
#[cold]
pub(super) fn is_dead(owner: u64) -> bool {
    let number = owner & NUMBER;
    match fs::read(format!("/proc/{number}/stat")) {
        Ok(stat) => Stat::parse(&stat).is_some_and(|stat| {
            let is_other = stat.start & u64::from(u32::MAX) != owner >> 32;
            // A zombie has ended, and only waits to be counted.
            stat.number == number && (is_other || matches!(stat.state, b'Z' | b'X' | b'x'))
        }),
        // It ended while it was opened, or is not there, or not for us to see.
        Err(error) if matches!(errno_of(&error), Errno::NOENT | Errno::SRCH) => {
            i32::try_from(number)
                .ok()
                .and_then(Pid::from_raw)
                .is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
        }
        Err(_) => false,
    }
}

/// The number of a thread.
fn number(pid: Pid) -> u64 {
    u64::from(pid.as_raw_nonzero().get().unsigned_abs())
}

/// The errno of an error.
fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// What `/proc/TID/stat` says.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    number: u64,
    state: u8,
    start: u64,
}

impl Stat {
    /// Reads it: the name of a program, in parentheses, may have anything in it, but no closing one stands behind it.
    fn parse(stat: &[u8]) -> Option<Self> {
        let open = stat.iter().position(|&byte| byte == b'(')?;
        let close = stat.iter().rposition(|&byte| byte == b')')?;
        let number = str::from_utf8(&stat[..open]).ok()?.trim().parse().ok()?;
        let rest = str::from_utf8(stat.get(close + 1..)?).ok()?;
        // The first is the third field of the man page; the start is the 22nd.
        let mut fields = rest.split_ascii_whitespace();
        let &[state] = fields.next()?.as_bytes() else {
            return None;
        };
        let start = fields.nth(22 - 4)?.parse().ok()?;
        Some(Self {
            number,
            state,
            start,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_the_22nd_field() {
        let line =
            b"42 (a) b (1) R) S 1 42 42 0 -1 4194560 5 6 7 8 9 10 11 12 20 0 1 0 987654321 22 33\n";
        let stat = Stat::parse(line).unwrap();
        let (number, state, start) = (42, b'S', 987_654_321);
        assert_eq!(
            stat,
            Stat {
                number,
                state,
                start
            }
        );
        for nonsense in [
            &b""[..],
            b"42",
            b"42 (",
            b")(",
            b"42 ()",
            b"42 () S 1",
            b"x () S",
            b"1 () SS",
        ] {
            assert_eq!(Stat::parse(nonsense), None);
        }
    }

    #[test]
    fn a_thread_is_alive_until_it_ends() {
        let me = mine().unwrap();
        assert!(!is_dead(me.owner) && is_mine(me) && me.domain != 0);
        assert_eq!(mine().unwrap(), me);
        let other = std::thread::spawn(|| {
            let other = mine().unwrap();
            assert!(!is_dead(other.owner));
            other
        });
        let other = other.join().unwrap();
        assert!(other != me && !is_mine(other));
        // It may take a moment after `join`.
        while !is_dead(other.owner) {
            std::thread::yield_now();
        }
        // The same number with another start is another thread; and none has such numbers.
        assert!(is_dead(me.owner ^ 1 << 40));
        assert!(is_dead(NUMBER) && is_dead((1 << 22) + 1));
    }
}
