//! The parsers of the kernel's lists, for `cargo fuzz run lists`.
#![no_main]

#[path = "../harness/lists.rs"]
mod lists;
#[path = "../harness/bytes.rs"]
mod bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| lists::run(data));
