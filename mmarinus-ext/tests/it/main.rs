//! Tests of every module against the running kernel, a file per subject.

#[path = "../../../testing/mod.rs"]
mod testing;

mod common;

mod examples;
#[cfg(target_has_atomic = "64")]
mod forked;
mod grow;
mod halves;
mod hostile;
mod huge;
mod ipc;
mod limits;
mod memfd;
mod pager;
mod peers;
mod pool;
mod raw;
mod ring;
mod ring_peers;
mod seals;
mod secret;
#[cfg(target_has_atomic = "64")]
mod shared;
#[cfg(target_has_atomic = "64")]
mod shared_models;
mod signals;
mod snapshot;
mod traces;
mod verify;
mod wiped;
