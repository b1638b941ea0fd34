//! Tests of every call against the running kernel, a file per family.
#![allow(unsafe_code, reason = "every call under test is unsafe")]

#[path = "../../../testing/mod.rs"]
mod testing;

mod common;
mod numa;
mod privilege;
