//! What an operation costs besides its work: the system calls that its docs name and no other, and no allocation.
//!
//! One script does everything once; `calls` has the kernel count what it asks for, by `ptrace`, and `allocations` counts what it
//! takes from the allocator. So whatever the docs promise stands in one place, with both prices.
#![cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]

#[path = "../../testing/mod.rs"]
mod testing;

#[path = "it/common.rs"]
mod common;

#[path = "cost/allocations.rs"]
mod allocations;
#[path = "cost/calls.rs"]
mod calls;
#[path = "cost/script.rs"]
mod script;
#[path = "cost/tracer.rs"]
mod tracer;
