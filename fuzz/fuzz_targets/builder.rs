//! Requests with any arguments, for `cargo fuzz run builder`.
#![no_main]

#[path = "../harness/builder.rs"]
mod builder;
#[path = "../harness/bytes.rs"]
mod bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| builder::run(data));
