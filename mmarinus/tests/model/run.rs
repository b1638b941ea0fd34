//! The programs, one after the other, each in a process of its own, until the time is over; a failing one shrinks.

use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::rc::Rc;
use std::time::Instant;

use mmarinus::{Map, Shared, perms, process};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use super::forked::in_fork;
use super::op::Op;
use super::plain::{Plain, huge_budget};
use super::subject::Subject;
use crate::testing::account::Account;
use crate::testing::features::guest;
use crate::testing::soak_time;

/// How many steps a program has at most.
const STEPS: usize = 200;

/// A page that parent and child share, for the number of steps that were made.
type Counter = Map<perms::ReadWrite, Shared>;

/// How a program runs.
#[derive(Clone)]
struct Here {
    /// Where its steps are counted.
    counter: Rc<Counter>,
    /// Whether it knows which pages are there.
    exact: bool,
    /// After how many steps the kernel is asked about all pages.
    every: usize,
}

std::thread_local! {
    /// In the forked process.
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// A program under test, with what was there before it.
struct Running {
    subject: Subject,
    before: Account,
    here: Here,
}

/// The test of the model.
struct Model;

impl StateMachineTest for Model {
    type SystemUnderTest = Running;
    type Reference = Plain;

    fn init_test(_: &Plain) -> Running {
        let here = HERE.with_borrow(Option::clone).expect("how programs run");
        // What is made once and kept is made now.
        drop(Account::read());
        let before = Account::read();
        Running {
            subject: Subject::new(),
            before,
            here,
        }
    }

    fn apply(mut running: Running, plain: &Plain, op: Op) -> Running {
        steps_of(&running.here.counter).fetch_add(1, Ordering::Relaxed);
        running.subject.step(&op, plain);
        running
    }

    fn check_invariants(running: &Running, plain: &Plain) {
        let Here { exact, every, .. } = running.here;
        if plain.steps.is_multiple_of(every) {
            running.subject.check_pages(plain, exact);
        }
        running.subject.check_bytes(plain, exact);
    }

    fn teardown(running: Running, plain: Plain) {
        let Running {
            subject,
            before,
            here,
        } = running;
        subject.check_pages(&plain, here.exact);
        let stays: usize = plain
            .for_ever
            .values()
            .map(|slot| {
                let guards = slot.guards.iter().filter(|is_there| **is_there).count();
                slot.leaves.len() * slot.page() + guards * crate::common::page()
            })
            .sum();
        let for_ever = subject.end();
        let left = Account::read().since(&before);
        assert_eq!(left.mapped_bytes, stays as u64, "{left:?}");
        assert_eq!(left.fds.len() + left.lost_fds.len(), 0, "{left:?}");
        assert_eq!(left.changed, [""; 0], "{left:?}");
        if plain.for_ever.is_empty() {
            assert_eq!((left.locked, left.huge), (0, 0), "{left:?}");
        }
        drop(for_ever);
    }
}

/// The counter in a page.
fn steps_of(counter: &Counter) -> &AtomicU64 {
    &counter.atomics::<AtomicU64>(..8).expect("a counter")[0]
}

/// How long programs run here.
fn time() -> Duration {
    let usual = Duration::from_secs(if guest().is_there { 8 } else { 20 });
    soak_time().unwrap_or(usual)
}

/// Opens what the source of random numbers keeps open on some kernels.
pub(crate) fn warm_up() {
    drop(TestRunner::new(Config::default()));
}

/// Runs programs until the time is over.
///
/// `exact` says that no huge page comes by itself, so that it is known which pages are there.
pub(crate) fn programs(exact: bool) {
    if exact {
        process::set_thp_disable(process::ThpDisable::DISABLED)
            .expect("anybody may do without huge pages");
    }
    println!("{} huge pages may be used", huge_budget());
    let counter = Map::bytes(8).anonymously().with_kind(Shared);
    let counter = Rc::new(counter.with(perms::ReadWrite).expect("a page"));
    let begin = Instant::now();
    let (cases, steps) = (Cell::new(0), Cell::new(0));
    while begin.elapsed() < time() {
        let config = Config {
            cases: 4,
            failure_persistence: None,
            max_shrink_iters: 3000,
            ..Config::default()
        };
        let mut runner = TestRunner::new(config.clone());
        let strategy = Plain::sequential_strategy(1..=STEPS);
        let ran = runner.run(&strategy, |(plain, ops, seen)| {
            steps_of(&counter).store(0, Ordering::Relaxed);
            let here = Here {
                counter: Rc::clone(&counter),
                exact,
                // A program that shrinks is not to fail because of its length.
                every: if seen.is_some() { 20 } else { 1 },
            };
            let config = config.clone();
            let ended = in_fork(move || {
                HERE.set(Some(here));
                Model::test_sequential(config, plain, ops, None);
            });
            let made = steps_of(&counter).load(Ordering::Relaxed) as usize;
            steps.set(steps.get() + made);
            cases.set(cases.get() + 1);
            if let Some(seen) = seen {
                seen.fetch_add(made, Ordering::SeqCst);
            }
            ended.map_err(TestCaseError::fail)
        });
        match ran {
            Ok(()) => {}
            Err(TestError::Fail(why, (_, ops, _))) => {
                let program: String = ops.iter().map(|op| format!("    {op:?},\n")).collect();
                panic!("{why}; the shortest program found:\n{program}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    println!("{} programs with {} steps", cases.get(), steps.get());
    assert!(steps.get() > 0, "no step was made");
}
