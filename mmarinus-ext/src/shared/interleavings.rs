//! The lock's protocol under a checker that tries each order of steps, and each value that a load may see: also with a thread
//! that is killed, before each of its steps in turn.

use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::{catch_unwind, resume_unwind};

use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::futex::Slept;
use super::protocol::{ABANDONED, NUMBER, Refused, Taken, Words, give, take, try_take};

/// The time that a sleep takes if nobody wakes the thread: in the model, as long as nobody has died.
const SOME: Duration = Duration::from_millis(1);

/// A lock, and two numbers that are the same while nobody has it.
struct Model {
    word: AtomicU64,
    bell: AtomicU32,
    /// The kernel's list of those who sleep on the bell.
    queue: Mutex<()>,
    woken: Condvar,
    /// A bit for each thread that has died.
    dead: AtomicU64,
    numbers: [AtomicU32; 2],
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: AtomicU64::new(0),
            bell: AtomicU32::new(0),
            queue: Mutex::new(()),
            woken: Condvar::new(),
            dead: AtomicU64::new(0),
            numbers: [AtomicU32::new(0), AtomicU32::new(0)],
        })
    }

    /// What the lock protects.
    fn numbers(&self) -> [u32; 2] {
        self.numbers.each_ref().map(|n| n.load(Ordering::Relaxed))
    }
}

/// A thread with so many steps to live.
struct Mortal<'model> {
    model: &'model Model,
    me: u64,
    steps: Cell<usize>,
}

/// How a thread dies: no step follows.
struct Killed;

impl<'model> Mortal<'model> {
    fn new(model: &'model Model, me: u64, steps: usize) -> Self {
        Self {
            model,
            me,
            steps: Cell::new(steps),
        }
    }

    fn step(&self) {
        match self.steps.get().checked_sub(1) {
            Some(left) => self.steps.set(left),
            None => resume_unwind(Box::new(Killed)),
        }
    }

    /// Adds 1 to both numbers while it has the lock.
    fn work(&self, taken: Taken) {
        let [mut first, second] = self.model.numbers();
        if taken == Taken::Clean {
            assert_eq!(
                first, second,
                "somebody else is inside, or has left things half done"
            );
        } else {
            first = second;
        }
        self.model.numbers[0].store(first + 1, Ordering::Relaxed);
        self.step();
        self.model.numbers[1].store(first + 1, Ordering::Relaxed);
        self.step();
        give(self, self.me, 0);
    }

    /// Takes the lock, works and gives it back, or dies. Whether it lives.
    fn live(&self) -> bool {
        let lived = catch_unwind(AssertUnwindSafe(|| {
            let taken = take(self, self.me, || Some(SOME));
            self.work(taken.expect("there is time for ever"));
        }));
        let Err(panic) = lived else {
            return true;
        };
        if !panic.is::<Killed>() {
            resume_unwind(panic);
        }
        self.model.dead.fetch_or(1 << self.me, Ordering::SeqCst);
        // From now on time passes, so whoever sleeps looks again.
        let queue = self.model.queue.lock().expect("nobody dies with it");
        self.model.woken.notify_all();
        drop(queue);
        false
    }
}

impl Words for Mortal<'_> {
    fn load(&self) -> u64 {
        self.step();
        self.model.word.load(Ordering::Acquire)
    }

    fn exchange(&self, old: u64, new: u64) -> Result<u64, u64> {
        self.step();
        let word = &self.model.word;
        word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
    }

    fn bell(&self) -> u32 {
        self.step();
        self.model.bell.load(Ordering::Acquire)
    }

    fn ring(&self) {
        self.step();
        self.model.bell.fetch_add(1, Ordering::Release);
        self.step();
        let queue = self.model.queue.lock().expect("nobody dies with it");
        self.model.woken.notify_one();
        drop(queue);
    }

    fn sleep(&self, bell: u32, _: Duration) -> Slept {
        self.step();
        let queue = self.model.queue.lock().expect("nobody dies with it");
        if self.model.bell.load(Ordering::Relaxed) != bell {
            return Slept::Woken;
        }
        if self.model.dead.load(Ordering::SeqCst) == 0 {
            drop(self.model.woken.wait(queue).expect("nobody dies with it"));
        } else {
            drop(queue);
            thread::yield_now();
        }
        if self.model.dead.load(Ordering::SeqCst) == 0 {
            Slept::Woken
        } else {
            Slept::Out
        }
    }

    fn is_dead(&self, owner: u64) -> bool {
        self.step();
        self.model.dead.load(Ordering::SeqCst) & 1 << (owner & NUMBER) != 0
    }
}

/// Tries every order, with so many switches between threads that need not be.
fn explore(switches: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    builder.check(run);
}

#[test]
fn three_threads_are_inside_one_after_the_other_and_none_sleeps_for_ever() {
    explore(3, || {
        let model = Model::new();
        let others = [1, 2].map(|me| {
            let model = Arc::clone(&model);
            thread::spawn(move || assert!(Mortal::new(&model, me, usize::MAX).live()))
        });
        assert!(Mortal::new(&model, 3, usize::MAX).live());
        for other in others {
            other.join().expect("no panic");
        }
        assert_eq!(model.numbers(), [3, 3]);
        assert_eq!(model.word.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_thread_that_is_killed_before_any_step_is_followed_by_the_others() {
    // As many steps as it takes where others are in the way; with more it lives.
    for steps in 0..14 {
        explore(2, move || {
            let model = Model::new();
            let others = [(1, steps), (2, usize::MAX)].map(|(me, steps)| {
                let model = Arc::clone(&model);
                thread::spawn(move || Mortal::new(&model, me, steps).live())
            });
            assert!(Mortal::new(&model, 3, usize::MAX).live());
            let lived = others.map(|other| other.join().expect("no panic"));
            assert!(lived[1]);
            // The dead one may have worked or not; then the lock is still its own, and the next one would take it.
            let [first, second] = model.numbers();
            assert!((2..=3).contains(&second) && first - second <= 1);
            let next = Mortal::new(&model, 4, usize::MAX);
            let taken = try_take(&next, 4).expect("nobody who lives has it");
            assert!(taken == Taken::Abandoned || first == second);
            assert!(taken == Taken::Clean || !lived[0]);
        });
    }
}

#[test]
fn who_has_no_more_time_does_not_take_the_wake_of_another_along() {
    explore(2, || {
        let model = Model::new();
        let patient = Arc::clone(&model);
        let patient = thread::spawn(move || Mortal::new(&patient, 1, usize::MAX).live());
        let late = Arc::clone(&model);
        let late = thread::spawn(move || {
            let late = Mortal::new(&late, 2, usize::MAX);
            let mut sleeps = 1;
            let next = || {
                sleeps -= 1;
                (sleeps >= 0).then_some(SOME)
            };
            match take(&late, 2, next) {
                Ok(taken) => late.work(taken),
                Err(refused) => assert_eq!(refused, Refused::Late),
            }
        });
        // The second time it may be faster than the one that it woke.
        for _ in 0..2 {
            assert!(Mortal::new(&model, 3, usize::MAX).live());
        }
        assert!(patient.join().expect("no panic"));
        late.join().expect("no panic");
    });
}

#[test]
fn what_is_left_abandoned_stays_so_until_somebody_says_otherwise() {
    explore(3, || {
        let model = Model::new();
        let other = Arc::clone(&model);
        let other = thread::spawn(move || {
            let other = Mortal::new(&other, 1, usize::MAX);
            take(&other, 1, || Some(SOME)).expect("there is time for ever");
            give(&other, 1, ABANDONED);
        });
        let here = Mortal::new(&model, 2, usize::MAX);
        let first = take(&here, 2, || Some(SOME)).expect("there is time for ever");
        assert_eq!(try_take(&here, 2), Err(Refused::Ours));
        give(&here, 2, if first == Taken::Clean { 0 } else { ABANDONED });
        other.join().expect("no panic");
        assert_eq!(try_take(&here, 2), Ok(Taken::Abandoned));
    });
}
