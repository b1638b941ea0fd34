//! Calls on any ranges, for `cargo fuzz run ranges`.
#![no_main]

#[path = "../harness/ranges.rs"]
mod ranges;
#[path = "../harness/bytes.rs"]
mod bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ranges::run(data));
