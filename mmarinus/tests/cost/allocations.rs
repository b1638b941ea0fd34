//! No step of the script allocates.

use allocation_counter::measure;

use crate::script::{self, Meter, Silent, Things};
use crate::testing::test_name;

/// Counts, and remembers who allocated.
#[derive(Debug, Default)]
struct Counter {
    steps: usize,
    guilty: Vec<(String, u64)>,
}

impl Meter for Counter {
    fn step<T>(&mut self, name: &str, _calls: &[&str], run: impl FnOnce() -> T) -> T {
        let mut done = None;
        let seen = measure(|| done = Some(run()));
        self.steps += 1;
        if seen.count_total != 0 {
            self.guilty.push((name.to_owned(), seen.count_total));
        }
        done.expect("the step was made")
    }
}

#[test]
fn nothing_allocates() {
    let (mut counter, things) = (Counter::default(), Things::new());
    script::all(&mut Silent, &things);
    script::all(&mut counter, &things);
    assert!(counter.steps > 40, "{counter:?}");
    assert_eq!(counter.guilty, [], "{}", test_name!());
}

#[test]
fn the_counter_counts() {
    let mut counter = Counter::default();
    let kept = counter.step("a box", &[], || Box::new(1));
    counter.step("nothing", &[], || ());
    assert_eq!((*kept, counter.steps), (1, 2));
    assert_eq!(counter.guilty, [("a box".to_owned(), 1)]);
}
