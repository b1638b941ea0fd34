//! The programs of the fuzzer, with bytes that are the same in each run: nothing panics, faults or is left behind.
#![forbid(unsafe_code)]

#[path = "../../fuzz/harness/builder.rs"]
mod builder;
#[path = "../../fuzz/harness/bytes.rs"]
mod bytes;
#[path = "../../testing/fuzzing.rs"]
mod fuzzing;
#[path = "../../fuzz/harness/lists.rs"]
mod lists;
#[path = "../../fuzz/harness/ranges.rs"]
mod ranges;
#[path = "../../testing/mod.rs"]
mod testing;

use testing::sound;

#[test]
fn any_request_is_a_map_or_an_error() {
    sound!({
        assert!(fuzzing::run(builder::run) > 10);
    });
}

#[test]
fn any_range_leaves_the_neighbours_alone() {
    sound!({
        assert!(fuzzing::run(ranges::run) > 10);
    });
}

#[test]
fn any_text_is_parsed() {
    sound!({
        assert!(fuzzing::run(lists::run) > 10);
    });
}
