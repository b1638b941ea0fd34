//! Tests of every call against the running kernel, a file per subject.

#[path = "../../../testing/mod.rs"]
mod testing;

mod common;
mod raw;

mod atomics;
mod builder;
mod copies;
mod descriptors;
mod effects;
mod error;
mod leak;
#[cfg(feature = "std")]
mod load;
mod onto;
mod placement;
mod promise;
mod remap;
mod reprotect;
mod sealed;
mod slices;
mod source;
mod split;
#[cfg(feature = "zerocopy")]
mod typed;
mod types;
mod unmap;
mod view;
