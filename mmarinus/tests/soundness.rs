//! What broke other libraries of this sort, class by class: safe programs that must not fault, corrupt or leak.
//!
//! The programs are safe code. What has no safe form, such as seccomp or the end of the main thread, stands in `it/raw.rs`.
//! What a signal could end runs in a child process. What must not compile is in `ui`.

#[path = "../../testing/mod.rs"]
mod testing;

#[path = "it/common.rs"]
mod common;
#[path = "it/raw.rs"]
mod raw;

#[path = "soundness/aliases.rs"]
mod aliases;
#[path = "soundness/bounds.rs"]
mod bounds;
#[path = "soundness/descriptors.rs"]
mod descriptors;
#[path = "soundness/fork.rs"]
mod fork;
#[path = "soundness/full_storage.rs"]
mod full_storage;
#[path = "soundness/halves.rs"]
mod halves;
#[path = "soundness/kernel_copies.rs"]
mod kernel_copies;
#[path = "soundness/map_count.rs"]
mod map_count;
#[path = "soundness/moves.rs"]
mod moves;
#[path = "soundness/neighbours.rs"]
mod neighbours;
#[path = "soundness/pieces.rs"]
mod pieces;
#[path = "soundness/replaced.rs"]
mod replaced;
#[path = "soundness/truncation.rs"]
mod truncation;
