//! Shared structs against plain models: rows of atomics and counters against numbers, a lock and a once-flag against who has it.

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use mmarinus_ext::shared::{self, Attempt, Counter, Error, Lock, Locked, Once};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assert_eq, prop_oneof};

use crate::common::never_overcommits;
use crate::testing::{skip, times};

fn runner(cases: usize) -> TestRunner {
    TestRunner::new(Config {
        cases: times(cases) as u32,
        failure_persistence: None,
        ..Config::default()
    })
}

/// What is done to a row, at an index, by one of two maps of it.
#[derive(Clone, Debug)]
enum Cell {
    Store(u32),
    Add(u32),
    Swap(u32),
    Exchange(u32, u32),
}

#[test]
fn a_row_does_as_numbers_do() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    const LEN: usize = 1500;
    let cell = prop_oneof![
        any::<u32>().prop_map(Cell::Store),
        any::<u32>().prop_map(Cell::Add),
        any::<u32>().prop_map(Cell::Swap),
        (0..3_u32, any::<u32>()).prop_map(|(old, new)| Cell::Exchange(old, new)),
    ];
    let steps = vec((any::<bool>(), 0..LEN, cell), 1..200);
    let done = runner(100).run(&steps, |steps| {
        let (memfd, ours) = shared::file_slice::<AtomicU32>("row", LEN).unwrap();
        let theirs = shared::slice_of::<AtomicU32>(&memfd).unwrap();
        let mut model = vec![0_u32; LEN];
        for (is_ours, index, cell) in steps {
            let word = if is_ours {
                &ours[index]
            } else {
                &theirs[index]
            };
            let number = &mut model[index];
            let was = *number;
            let said = match cell {
                Cell::Store(new) => {
                    word.store(new, Ordering::Release);
                    *number = new;
                    was
                }
                Cell::Add(more) => {
                    *number = was.wrapping_add(more);
                    word.fetch_add(more, Ordering::AcqRel)
                }
                Cell::Swap(new) => {
                    *number = new;
                    word.swap(new, Ordering::AcqRel)
                }
                Cell::Exchange(old, new) => {
                    let exchanged =
                        word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire);
                    prop_assert_eq!(exchanged.is_ok(), old == was);
                    if old == was {
                        *number = new;
                    }
                    exchanged.unwrap_or_else(|there| there)
                }
            };
            prop_assert_eq!(said, was);
        }
        for row in [&ours, &theirs] {
            let all: Vec<u32> = row
                .iter()
                .map(|word| word.load(Ordering::Acquire))
                .collect();
            prop_assert_eq!(&all, &model);
        }
        Ok(())
    });
    done.unwrap();
}

/// What is done to a counter.
#[derive(Clone, Debug)]
enum Count {
    Add(u64),
    Get,
    Wait(u64),
}

#[test]
fn a_counter_does_as_a_number_does() {
    let near = 0..300_u64;
    let any_number = || prop_oneof![near.clone(), any::<u64>()];
    let step = prop_oneof![
        any_number().prop_map(Count::Add),
        Just(Count::Get),
        any_number().prop_map(Count::Wait),
    ];
    let done = runner(100).run(&vec(step, 1..100), |steps| {
        let counter = shared::anonymous::<Counter>().unwrap();
        let mut model = 0_u64;
        for step in steps {
            match step {
                Count::Add(more) => {
                    prop_assert_eq!(counter.add(more), model);
                    model = model.wrapping_add(more);
                }
                Count::Get => prop_assert_eq!(counter.get(), model),
                Count::Wait(least) => {
                    let waited = counter.wait_within(least, Duration::ZERO);
                    let expected = if model >= least {
                        Ok(model)
                    } else {
                        Err(Error::TimedOut)
                    };
                    prop_assert_eq!(waited, expected);
                }
            }
        }
        Ok(())
    });
    done.unwrap();
}

/// What a thread does with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Take,
    /// With a little time.
    TakeWithin,
    /// Says that things are right, if it has the lock as abandoned.
    Repair,
    GiveBack,
    Abandon,
    /// Panics with the lock.
    Panic,
    /// Ends, with the lock if it has it; another thread takes its place.
    Die,
}

/// What a thread says that came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Clean,
    Abandoned,
    Deadlock,
    TimedOut,
    Nothing,
}

/// Threads that share a lock.
const THREADS: usize = 3;

/// Waits until the kernel lists a thread no more that was waited for, which may take a moment: until then it seems to live.
fn wait_for_the_end_of(thread: u32) {
    let path = format!("/proc/self/task/{thread}");
    let begin = Instant::now();
    while std::fs::exists(&path).unwrap() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{path}");
        thread::yield_now();
    }
}

/// One thread: does what it is told until it dies, and then tells its number.
fn obey(lock: &Lock, orders: &Receiver<Deed>, answers: &Sender<Said>, dead: &AtomicU32) {
    let mut held: Option<Locked<'_>> = None;
    while let Ok(deed) = orders.recv() {
        let say = |taken: Result<Locked<'_>, Error>| match taken {
            Ok(Locked::Clean(_)) => Said::Clean,
            Ok(Locked::Abandoned(_)) => Said::Abandoned,
            Err(Error::Deadlock) => Said::Deadlock,
            Err(Error::TimedOut) => Said::TimedOut,
            Err(error) => panic!("{error}"),
        };
        let said = match deed {
            Deed::Take | Deed::TakeWithin => {
                let taken = match deed {
                    Deed::Take => lock.try_lock(),
                    _ => lock.lock_within(Duration::from_micros(200)),
                };
                match taken {
                    Ok(locked) => {
                        let said = match &locked {
                            Locked::Clean(_) => Said::Clean,
                            Locked::Abandoned(_) => Said::Abandoned,
                        };
                        held = Some(locked);
                        said
                    }
                    refused => say(refused),
                }
            }
            Deed::Repair => {
                held = held.map(|locked| Locked::Clean(locked.or_repair(|| {})));
                Said::Nothing
            }
            Deed::GiveBack => {
                held = None;
                Said::Nothing
            }
            Deed::Abandon => {
                if let Some(locked) = held.take() {
                    locked.or_repair(|| {}).abandon();
                }
                Said::Nothing
            }
            Deed::Panic => {
                let inside = held.take();
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    let _inside = inside;
                    // Without the message of a panic.
                    std::panic::resume_unwind(Box::new(()));
                }));
                assert!(panicked.is_err());
                Said::Nothing
            }
            Deed::Die => {
                core::mem::forget(held.take());
                let thread = rustix::thread::gettid().as_raw_nonzero().get();
                dead.store(thread.unsigned_abs(), Ordering::Relaxed);
                return;
            }
        };
        answers.send(said).expect("somebody listens");
    }
    drop(held);
}

/// Who has the lock, and whether things may be half done.
#[derive(Clone, Copy, Debug, Default)]
struct Model {
    owner: Option<usize>,
    is_abandoned: bool,
}

impl Model {
    fn do_it(&mut self, who: usize, deed: Deed) -> Said {
        let is_mine = self.owner == Some(who);
        match deed {
            Deed::Take | Deed::TakeWithin => {
                return match self.owner {
                    Some(owner) if owner == who => Said::Deadlock,
                    Some(_) => Said::TimedOut,
                    None => {
                        self.owner = Some(who);
                        if self.is_abandoned {
                            Said::Abandoned
                        } else {
                            Said::Clean
                        }
                    }
                };
            }
            Deed::Repair if is_mine => self.is_abandoned = false,
            Deed::GiveBack if is_mine => self.owner = None,
            Deed::Abandon | Deed::Panic | Deed::Die if is_mine => {
                *self = Self {
                    owner: None,
                    is_abandoned: true,
                };
            }
            _ => {}
        }
        Said::Nothing
    }
}

#[test]
fn a_lock_does_as_its_model_does() {
    let deed = prop_oneof![
        5 => Just(Deed::Take),
        1 => Just(Deed::TakeWithin),
        2 => Just(Deed::Repair),
        4 => Just(Deed::GiveBack),
        1 => Just(Deed::Abandon),
        1 => Just(Deed::Panic),
        1 => Just(Deed::Die),
    ];
    let steps = vec((0..THREADS, deed), 1..60);
    let done = runner(60).run(&steps, |steps| {
        let lock = shared::anonymous::<Lock>().unwrap();
        let lock = &*lock;
        let mut model = Model::default();
        let dead = &AtomicU32::new(0);
        thread::scope(|scope| {
            let start = || {
                let ((order, orders), (answer, answers)) = (channel(), channel());
                let thread = scope.spawn(move || obey(lock, &orders, &answer, dead));
                (order, answers, thread)
            };
            let mut threads: Vec<_> = (0..THREADS).map(|_| start()).collect();
            for (who, deed) in steps {
                let expected = model.do_it(who, deed);
                threads[who].0.send(deed).unwrap();
                let said = match deed {
                    Deed::Die => {
                        let (_, _, thread) = core::mem::replace(&mut threads[who], start());
                        thread.join().unwrap();
                        wait_for_the_end_of(dead.load(Ordering::Relaxed));
                        Said::Nothing
                    }
                    _ => threads[who].1.recv().unwrap(),
                };
                prop_assert_eq!(said, expected, "{} {:?}", who, deed);
            }
            Ok::<(), TestCaseError>(())
        })
    });
    done.unwrap();
}

#[test]
fn a_closure_runs_as_its_model_says() {
    // Whether each attempt ends well.
    let done = runner(60).run(&vec(any::<bool>(), 1..8), |attempts| {
        let once = shared::anonymous::<Once>().unwrap();
        let (mut is_done, mut has_failed) = (false, false);
        for ends_well in attempts {
            let mut ran = None;
            let called = catch_unwind(AssertUnwindSafe(|| {
                once.call_once(|attempt| {
                    ran = Some(attempt);
                    if !ends_well {
                        std::panic::resume_unwind(Box::new(()));
                    }
                })
            }));
            let expected = match (is_done, has_failed) {
                (true, _) => None,
                (false, false) => Some(Attempt::First),
                (false, true) => Some(Attempt::Again),
            };
            prop_assert_eq!(ran, expected);
            prop_assert!(called.is_ok() == (is_done || ends_well));
            has_failed |= !is_done && !ends_well;
            is_done |= ends_well;
            prop_assert_eq!(once.is_done(), is_done);
        }
        Ok(())
    });
    done.unwrap();
}
