//! Tests of every call against the running kernel, a file per subject.

#[path = "../../../testing/mod.rs"]
mod testing;

mod common;
mod raw;

mod atomics;
mod builder;
#[cfg(feature = "std")]
mod contents;
mod copies;
#[cfg(feature = "std")]
mod cursor;
mod descriptors;
mod droppable;
mod duplicate;
mod effects;
mod enarx;
mod error;
mod error_table;
mod grow;
mod guarded;
#[cfg(target_pointer_width = "64")]
mod guest;
mod hints;
mod huge;
mod join;
mod leak;
#[cfg(feature = "std")]
mod load;
#[cfg(feature = "std")]
mod maps;
mod mirror;
mod moves;
mod mseal;
mod name;
mod numa;
mod onto;
mod page_cache;
mod pkey;
mod placement;
mod preallocate;
mod process;
mod promise;
mod publish;
mod raw_parts;
mod reach;
mod remap;
mod remap_in_place;
mod reprotect;
mod reservation;
mod residency;
mod resize;
mod scan;
mod sealed;
mod secret;
mod shared_block;
mod slices;
mod source;
mod split;
mod stable_deref;
mod stats;
#[cfg(feature = "std")]
mod supply;
mod sync;
mod synchronous;
mod take;
mod track;
mod transfer;
#[cfg(feature = "zerocopy")]
mod typed;
mod types;
mod unmap;
mod update;
mod userfault;
mod view;
