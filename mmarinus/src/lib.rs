//! Linux memory maps whose type says which pages may be touched, and who else may touch them.
#![doc = include_str!("../README.md")]
//! # The guide
//!
//! - [How do I …](guide::how_do_i): map a file, share with a child, get an honest `&[u8]`, survive truncation, grow, keep a key.
//! - [Coming from memmap2, libc or mmarinus 0.4](guide::coming_from).
//! - [Soundness](guide::soundness): why there are rungs, shown to whoever doubts it.
//! - [The index of errors](guide::errors).
//!
//! The way through the types: [`Map::bytes`] and [`Map::load`] start, [`Builder`] says what is wanted, [`perms`], [`kind`] and
//! [`backing`] are the three parameters. [`View`] is a part of a map; [`Source`] a file that is mapped more than once;
//! [`Reservation`] addresses that are filled later; [`Mirror`] memory that is mapped twice.
#![no_std]

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("mmarinus maps memory on Linux and Android only");

#[cfg(any(feature = "std", test))]
extern crate std;

mod access;
mod atomics;
pub mod backing;
mod build;
pub mod builder;
#[cfg(feature = "std")]
mod contents;
mod copy;
#[cfg(feature = "std")]
mod cursor;
mod duplicate;
mod effects;
mod error;
mod extent;
pub mod fault;
mod grow;
#[cfg(all(feature = "vm-memory", target_pointer_width = "64"))]
pub mod guest;
#[cfg(any(doc, doctest))]
pub mod guide;
mod hints;
mod immortal;
mod join;
pub mod kind;
mod layout;
mod leak;
mod lines;
#[cfg(feature = "std")]
mod load;
mod map;
mod memfd;
mod mirror;
mod name;
pub mod numa;
mod page_cache;
pub mod perms;
pub mod pkey;
mod preallocate;
mod proc;
pub mod process;
mod promise;
mod publish;
mod range;
mod raw_parts;
mod region;
mod remap_in_place;
mod reprotect;
mod reservation;
mod residency;
mod resize;
mod runs;
pub mod scan;
mod secret;
mod shared_block;
mod slices;
mod source;
mod split;
#[cfg(feature = "stable_deref_trait")]
mod stable_deref;
mod stack;
mod stats;
#[cfg(feature = "std")]
pub mod supply;
mod sync;
mod take;
pub mod track;
mod transfer;
#[cfg(feature = "zerocopy")]
mod typed;
mod unmap;
mod update;
pub mod userfault;
mod view;

pub use atomics::{Atomic, Observed};
pub use builder::Builder;
#[cfg(feature = "std")]
pub use contents::Contents;
#[cfg(feature = "std")]
pub use cursor::Cursor;
pub use error::Error;
pub use fault::Fault;
pub use hints::Advice;
pub use immortal::Immortal;
pub use kind::{Private, Shared};
pub use map::Map;
pub use mirror::Mirror;
pub use mmarinus_sys::{Errno, HugePage, ProtFlags};
pub use page_cache::PageCache;
pub use pkey::{Keyed, Pkey};
#[cfg(feature = "std")]
pub use proc::{Maps, Vma, maps};
pub use reservation::{Reservation, Window};
pub use residency::Residency;
#[doc(hidden)]
pub use shared_block::__shared_layout;
pub use shared_block::{SharedBlock, SharedLayout};
pub use source::Source;
pub use stats::Stats;
pub use track::Tracked;
pub use userfault::Userfault;
pub use view::View;
