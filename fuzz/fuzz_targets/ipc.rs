//! A receiver and a hostile sender, for `cargo fuzz run ipc`.
#![no_main]

#[path = "../harness/ipc.rs"]
mod ipc;
#[path = "../harness/bytes.rs"]
mod bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ipc::run(data));
