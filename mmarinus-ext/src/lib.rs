//! What people reach for `mmap` for, done once, without `unsafe`.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("mmarinus-ext maps memory on Linux and Android only");

pub mod grow;
pub mod ipc;
pub mod memfd;
pub mod pager;
pub mod ring;
pub mod secret;
#[cfg(target_has_atomic = "64")]
pub mod shared;
pub mod snapshot;
