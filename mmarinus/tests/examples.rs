//! The examples, run as people run them: as processes, on real input, and with every mistake that a first attempt makes.
#![cfg(feature = "std")]

#[path = "../../testing/mod.rs"]
mod testing;

#[path = "examples/grep.rs"]
mod grep;
#[path = "examples/jit.rs"]
mod jit;
#[path = "examples/kv.rs"]
mod kv;
#[path = "examples/kvm.rs"]
mod kvm;
#[path = "examples/quickstart.rs"]
mod quickstart;
#[path = "examples/smaps.rs"]
mod smaps;
