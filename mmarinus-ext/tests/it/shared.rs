//! Shared structs, and what processes agree by in them: with peers that are killed at some point, and with words that lie.

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::panic::catch_unwind;
use std::thread;
use std::time::Instant;

use mmarinus::Errno;
use mmarinus_ext::memfd::{Memfd, SizeSealed};
use mmarinus_ext::shared::{self, Attempt, Counter, Error, Lock, Locked, Once};

use crate::common::{inherited, kills, never_overcommits};
use crate::testing::{in_child, skip, sound, start_child, times};

/// Nothing here takes longer, also where it is emulated.
const PATIENCE: Duration = Duration::from_secs(60);

mmarinus::shared_layout! {
    /// Two numbers that are the same while nobody has the lock, and what else processes tell each other.
    struct State {
        lock: Lock,
        numbers: [AtomicU64; 2],
        begun: Counter,
        once: Once,
    }
}

impl State {
    /// Adds 1 to both numbers, as the one who has the lock may: by steps between which it can be killed.
    fn work(&self) {
        for number in &self.numbers {
            number.store(number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// The numbers.
    fn numbers(&self) -> [u64; 2] {
        self.numbers.each_ref().map(|n| n.load(Ordering::Relaxed))
    }

    /// Takes the lock, and puts in order what somebody left. Whether that was necessary to look for.
    fn work_after_others(&self) -> bool {
        let locked = self.lock.lock_within(PATIENCE).unwrap();
        let is_abandoned = locked.is_abandoned();
        let guard = locked.or_repair(|| {
            let [first, second] = self.numbers();
            assert!(first == second || first == second + 1);
            self.numbers[1].store(first, Ordering::Relaxed);
        });
        let [first, second] = self.numbers();
        assert_eq!(
            first, second,
            "two were inside, or nobody told of what was left"
        );
        self.work();
        drop(guard);
        is_abandoned
    }
}

/// Lets the process make the page that it keeps, which tells it when it was forked, before anything is counted.
fn first_use() {
    let lock = shared::anonymous::<Lock>().unwrap();
    drop(lock.lock().unwrap());
}

/// The state in the file that a child was started with.
fn inherited_state() -> shared::Block<State, mmarinus::backing::SizeSealed> {
    let memfd = Memfd::<SizeSealed>::try_from(inherited()).unwrap();
    shared::of(&memfd).unwrap()
}

/// A descriptor for a child.
fn for_child(memfd: &Memfd<SizeSealed>) -> OwnedFd {
    use std::os::fd::AsFd;
    memfd.as_fd().try_clone_to_owned().unwrap()
}

#[test]
fn a_killed_owner_is_followed_and_what_it_left_is_told() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (memfd, state) = shared::file::<State>("state").unwrap();
    let mut abandoned = 0;
    for round in 0..kills() as u64 {
        let child = start_child!(for_child(&memfd), {
            let state = inherited_state();
            state.begun.add(1);
            loop {
                state.work_after_others();
            }
        });
        state.begun.wait_within(round + 1, PATIENCE).unwrap();
        // Beside it for a while, and then at some point.
        for _ in 0..round % 5 {
            abandoned += u64::from(state.work_after_others());
        }
        let until = Instant::now() + Duration::from_micros(round * 37 % 1000);
        while Instant::now() < until {
            thread::yield_now();
        }
        child.kill();
        abandoned += u64::from(state.work_after_others());
    }
    if abandoned == 0 && crate::testing::features::guest().is_there {
        crate::testing::skip!("no child was killed with the lock, of the few in a guest");
    }
    assert_ne!(
        abandoned, 0,
        "no child was killed with the lock, of all those"
    );
}

#[test]
fn a_closure_whose_process_is_killed_is_run_by_another() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (memfd, state) = shared::file::<State>("state").unwrap();
    for round in 1..=times(20) as u64 {
        let child = start_child!(for_child(&memfd), {
            let state = inherited_state();
            let ended = state.once.call_once(|_| {
                state.begun.add(1);
                loop {
                    thread::park();
                }
            });
            panic!("a closure that does not end has ended: {ended:?}");
        });
        state.begun.wait_within(round, PATIENCE).unwrap();
        let short = Duration::from_millis(5);
        let waited = state
            .once
            .call_once_within(short, |_| panic!("it runs elsewhere"));
        assert_eq!(waited, Err(Error::TimedOut));
        child.kill();
    }
    let mut attempts = Vec::new();
    for _ in 0..2 {
        let run = state
            .once
            .call_once_within(PATIENCE, |attempt| attempts.push(attempt));
        assert_eq!(run, Ok(()));
    }
    assert!(state.once.is_done());
    assert_eq!(attempts, [Attempt::Again]);
}

#[test]
fn threads_of_one_process_keep_each_other_out() {
    first_use();
    sound!({
        let state = shared::anonymous::<State>().unwrap();
        let rounds = times(5000) as u64;
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        assert!(!state.work_after_others());
                    }
                });
            }
        });
        assert_eq!(state.numbers(), [4 * rounds; 2]);
    });
}

#[test]
fn who_has_it_does_not_wait_for_itself() {
    first_use();
    sound!({
        let lock = shared::anonymous::<Lock>().unwrap();
        let held = lock.lock().unwrap();
        assert_eq!(lock.lock().unwrap_err(), Error::Deadlock);
        assert_eq!(lock.try_lock().unwrap_err(), Error::Deadlock);
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(lock.try_lock().unwrap_err(), Error::TimedOut);
                let error = lock.lock_within(Duration::ZERO).unwrap_err();
                assert_eq!((error, error.errno()), (Error::TimedOut, Errno::TIMEDOUT));
            });
        });
        drop(held);
        assert!(!lock.try_lock().unwrap().is_abandoned());
        let once = shared::anonymous::<Once>().unwrap();
        let outer = once.call_once(|_| assert_eq!(once.call_once(|_| {}), Err(Error::Deadlock)));
        assert_eq!((outer, once.is_done()), (Ok(()), true));
    });
}

#[test]
fn what_is_left_half_done_is_told_until_it_is_right() {
    first_use();
    sound!({
        let lock = shared::anonymous::<Lock>().unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _held = lock.lock().unwrap();
            panic!("half done");
        }));
        assert!(panicked.is_err());
        // Who looks and says nothing leaves it so.
        for _ in 0..2 {
            assert!(lock.lock().unwrap().is_abandoned());
        }
        drop(lock.lock().unwrap().or_repair(|| {}));
        assert!(!lock.lock().unwrap().is_abandoned());
        lock.lock().unwrap().or_repair(|| {}).abandon();
        assert!(lock.lock().unwrap().is_abandoned());
        drop(lock.try_lock().unwrap().or_repair(|| {}));

        // A thread that ends with the lock has died as well.
        thread::scope(|scope| {
            scope.spawn(|| core::mem::forget(lock.lock().unwrap()));
        });
        let Locked::Abandoned(left) = lock.lock_within(PATIENCE).unwrap() else {
            panic!("nobody gave it back");
        };
        drop(left.consistent());
        assert!(!lock.lock().unwrap().is_abandoned());

        let once = shared::anonymous::<Once>().unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| once.call_once(|_| panic!("half done"))));
        assert!(panicked.is_err() && !once.is_done());
        once.call_once(|attempt| assert_eq!(attempt, Attempt::Again))
            .unwrap();
    });
}

#[test]
fn words_that_lie_end_in_time() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    first_use();
    sound!({
        let (memfd, lock) = shared::file::<Lock>("lock").unwrap();
        let words = shared::of::<[AtomicU64; 2]>(&memfd).unwrap();
        let short = Duration::from_millis(3);
        drop(lock.lock().unwrap());
        let domain = words[1].load(Ordering::Relaxed);
        let held = lock.lock().unwrap();
        let ours = words[0].load(Ordering::Relaxed);
        drop(held);
        for word in [
            u64::MAX,
            1,
            ours,
            ours ^ (1 << 40),
            ours | 3 << 30,
            1 << 30,
            1 << 31,
            (1 << 30) - 1,
            u64::MAX << 32,
        ] {
            words[0].store(word, Ordering::Relaxed);
            // Whatever it is: an error or a guard, and before long.
            let begin = Instant::now();
            drop(
                lock.lock_within(short)
                    .map(|locked| locked.or_repair(|| {})),
            );
            drop(lock.try_lock());
            assert!(begin.elapsed() < PATIENCE);
        }
        words[0].store(0, Ordering::Relaxed);
        words[1].store(domain ^ (1 << 63), Ordering::Relaxed);
        words[1].store(domain ^ 1 ^ (1 << 32), Ordering::Relaxed);
        assert_eq!(lock.lock().unwrap_err(), Error::Elsewhere);
        assert_eq!(lock.try_lock().unwrap_err(), Error::Elsewhere);

        // Somebody rewrites both all the time, and a guard is dropped meanwhile.
        words[1].store(domain, Ordering::Relaxed);
        thread::scope(|scope| {
            let liar = scope.spawn(|| {
                for n in 0..times(200_000) as u64 {
                    words[0].store(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), Ordering::Relaxed);
                    words[0].store(ours, Ordering::Relaxed);
                    words[0].store(0, Ordering::Relaxed);
                }
            });
            while !liar.is_finished() {
                drop(
                    lock.lock_within(short)
                        .map(|locked| locked.or_repair(|| {})),
                );
            }
        });
    });
}

#[test]
fn a_counter_gives_each_another_number_and_wakes_who_waits() {
    sound!({
        let counter = shared::anonymous::<Counter>().unwrap();
        let all: BTreeSet<u64> = thread::scope(|scope| {
            let others: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..100).map(|_| counter.add(1)).collect::<Vec<_>>()))
                .collect();
            assert_eq!(counter.wait(400), 400);
            others
                .into_iter()
                .flat_map(|other| other.join().unwrap())
                .collect()
        });
        assert!(all.into_iter().eq(0..400));
        let error = counter
            .wait_within(401, Duration::from_millis(5))
            .unwrap_err();
        assert_eq!(error, Error::TimedOut);
        counter.add(u64::MAX);
        assert_eq!((counter.get(), counter.wait(0)), (399, 399));
    });
}

#[test]
fn files_that_do_not_fit_are_refused() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    sound!({
        let (short, _) = shared::file_slice::<AtomicU16>("short", 7).unwrap();
        assert_eq!(shared::slice_of::<AtomicU16>(&short).unwrap().len(), 7);
        assert_eq!(
            shared::slice_of::<AtomicU32>(&short).unwrap_err().errno(),
            Errno::INVAL
        );
        assert!(shared::of::<State>(&short).is_err());
        let (empty, none) = shared::file_slice::<AtomicU64>("empty", 0).unwrap();
        assert!(none.is_empty() && shared::slice_of::<State>(&empty).unwrap().is_empty());
        assert!(shared::anonymous_slice::<State>(0).unwrap().is_empty());
        for len in [usize::MAX, 1 << 60, isize::MAX as usize / 8 + 1] {
            assert!(shared::anonymous_slice::<AtomicU64>(len).is_err());
            assert!(shared::file_slice::<AtomicU64>("long", len).is_err());
        }
    });
}

#[test]
fn a_sandbox_without_proc_is_told() {
    let status = in_child!({
        let none = rustix::process::Rlimit {
            current: Some(0),
            maximum: None,
        };
        let lock = shared::anonymous::<Lock>().unwrap();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let none = rustix::process::Rlimit {
            maximum: limit.maximum,
            ..none
        };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, none).unwrap();
        // No descriptor is free to read it with.
        assert_eq!(lock.lock().unwrap_err(), Error::Unknown(Errno::MFILE));
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
        let held = lock.lock().unwrap();
        rustix::process::setrlimit(rustix::process::Resource::Nofile, none).unwrap();
        drop(held);
        drop(lock.lock().unwrap());
    });
    assert!(status.success());
}

#[test]
fn cells_and_rows_are_those_of_another_process() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    mmarinus::shared_layout! {
        /// A cell and a row of words that two processes add to in turn.
        struct Table {
            turn: Counter,
            cell: AtomicU32,
            small: [AtomicU16; 2],
            row: [AtomicU64; 100],
        }
    }
    let (memfd, ours) = shared::file::<Table>("table").unwrap();
    let child = start_child!(for_child(&memfd), {
        let memfd = Memfd::<SizeSealed>::try_from(inherited()).unwrap();
        let theirs = shared::of::<Table>(&memfd).unwrap();
        for round in 0..10 {
            theirs.turn.wait(2 * round + 1);
            theirs.cell.fetch_add(1, Ordering::Relaxed);
            theirs.small[1].fetch_sub(1, Ordering::Relaxed);
            for (word, index) in theirs.row.iter().zip(0..) {
                word.fetch_max(round * index, Ordering::Relaxed);
            }
            theirs.turn.add(1);
        }
    });
    for round in 0..10 {
        ours.turn.add(1);
        ours.turn.wait_within(2 * round + 2, PATIENCE).unwrap();
        assert_eq!(u64::from(ours.cell.load(Ordering::Relaxed)), round + 1);
        assert_eq!(ours.small[0].load(Ordering::Relaxed), 0);
        assert_eq!(
            ours.small[1].load(Ordering::Relaxed),
            0_u16.wrapping_sub(round as u16 + 1)
        );
        for (word, index) in ours.row.iter().zip(0..) {
            assert_eq!(word.load(Ordering::Relaxed), round * index);
        }
    }
    assert!(child.wait().success());
    // The last page of a row is as good as the first; there is nothing behind it.
    let row = shared::slice_of::<AtomicU16>(&memfd).unwrap();
    assert_eq!(row.len() * 2, memfd.len() as usize);
    assert!(row.get(row.len()).is_none());
}

#[test]
fn a_hostile_process_can_only_make_others_wait() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (memfd, state) = shared::file::<State>("state").unwrap();
    let short = Duration::from_millis(2);
    let mut told = [0; 3];
    for round in 0..times(100) as u64 {
        let child = start_child!(for_child(&memfd), {
            let memfd = Memfd::<SizeSealed>::try_from(inherited()).unwrap();
            let state = shared::of::<State>(&memfd).unwrap();
            let words = shared::slice_of::<AtomicU64>(&memfd).unwrap();
            state.begun.add(1);
            let mut number = u64::from(std::process::id());
            loop {
                number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                // The words of the lock, of the counter's sleepers and of the once-flag, but not the count.
                let index = [0, 0, 0, 1, 5, 6, 7, 8][(number >> 40) as usize % 8];
                words[index].store(
                    [0, number, number << 32, number & 0xffff_ffff][(number >> 50) as usize % 4],
                    Ordering::Relaxed,
                );
                if number & 0xff000 == 0 {
                    drop(state.lock.try_lock());
                }
            }
        });
        state.begun.wait_within(round + 1, PATIENCE).unwrap();
        let begin = Instant::now();
        for _ in 0..20 {
            match state.lock.lock_within(short) {
                Ok(locked) => {
                    told[0] += 1;
                    drop(locked.or_repair(|| {}));
                }
                Err(Error::TimedOut) => told[1] += 1,
                Err(_) => told[2] += 1,
            }
            let _ = state.once.call_once_within(short, |_| {});
            let _ = state.begun.wait_within(u64::MAX, short / 4);
        }
        assert!(begin.elapsed() < PATIENCE / 2);
        assert!(!child.kill().success());
    }
    assert!(told[0] > 0 && told[1] + told[2] > 0, "{told:?}");
    // Zeros make it a lock again.
    let words = shared::slice_of::<AtomicU64>(&memfd).unwrap();
    words
        .iter()
        .for_each(|word| word.store(0, Ordering::Relaxed));
    assert!(!state.lock.lock_within(PATIENCE).unwrap().is_abandoned());
}
