//! Longer pages: how things are done, what calls were named before, why the types are as they are, what errors mean.

/// How do I …: tasks, each with an example that runs.
#[doc = include_str!("../docs/how_do_i.md")]
pub mod how_do_i {}

/// Coming from memmap2, from libc, or from mmarinus 0.4.
#[doc = include_str!("../docs/coming_from.md")]
pub mod coming_from {}

/// Maps beside other crates: bytes, yoke, zerocopy, bytemuck, std::io, arenas, tokio, vm-memory.
#[doc = include_str!("../docs/interop.md")]
pub mod interop {}

/// Soundness, for whoever doubts that the ladder is needed.
#[doc = include_str!("../docs/soundness.md")]
pub mod soundness {}

/// The index of errors: what each sentence means, and when it comes.
#[doc = include_str!("../docs/errors.md")]
pub mod errors {}
