//! Safe programs that have broken crates of memory maps, to be run against any of them.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("the programs are about memory maps on Linux and Android");

mod files;
mod huge;
mod judge;
mod memory;
mod subject;
mod trial;

pub use judge::{Judgement, Verdict, judge, main};
pub use subject::{No, Offer, Replaced, Subject};
pub use trial::{Trial, trials};
