//! The programs of the fuzzer, with bytes that are the same in each run: nothing panics, faults or is left behind.
#![forbid(unsafe_code)]

#[path = "../../fuzz/harness/bytes.rs"]
mod bytes;
#[path = "../../testing/fuzzing.rs"]
mod fuzzing;
#[path = "../../fuzz/harness/ipc.rs"]
mod ipc;
#[path = "../../fuzz/harness/ring.rs"]
mod ring;
#[path = "../../testing/mod.rs"]
mod testing;

use testing::sound;

#[test]
fn any_message_is_received_or_refused() {
    sound!({
        assert!(fuzzing::run(ipc::run) > 10);
    });
}

#[test]
fn any_index_is_survived() {
    sound!({
        assert!(fuzzing::run(ring::run) > 10);
    });
}
