//! Tests of every module against the running kernel, a file per subject.

#[path = "../../../testing/mod.rs"]
mod testing;

mod common;

mod examples;
mod grow;
mod halves;
mod hostile;
mod huge;
mod ipc;
mod memfd;
mod peers;
mod pool;
mod ring;
mod ring_peers;
mod seals;
mod secret;
mod snapshot;
mod verify;
