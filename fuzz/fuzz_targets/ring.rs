//! A ring and a hostile peer, for `cargo fuzz run ring`.
#![no_main]

#[path = "../harness/ring.rs"]
mod ring;
#[path = "../harness/bytes.rs"]
mod bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ring::run(data));
