//! What broke other libraries of this sort, class by class: safe programs that must not fault, corrupt or leak.
//!
//! Each case is a safe program that `sound!` runs in a process of its own: a signal, a panic, a hang, the report of a sanitizer,
//! a leak of descriptors, mapped ranges, locked bytes or huge pages, and a mapping of somebody else that changed, are failures
//! by name, and the other cases still run. Every file of cases forbids unsafe code. What has no safe form, such as seccomp,
//! `fork` or a promise about a file, stands in `it/raw.rs`. What must not compile is in `ui`.

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
#[path = "soundness/caught.rs"]
mod caught;
#[path = "soundness/descriptors.rs"]
mod descriptors;
#[path = "soundness/failures.rs"]
mod failures;
#[path = "soundness/fork.rs"]
mod fork;
#[path = "soundness/full_storage.rs"]
mod full_storage;
#[path = "soundness/guards.rs"]
mod guards;
#[path = "soundness/halves.rs"]
mod halves;
#[path = "soundness/huge.rs"]
mod huge;
#[path = "soundness/kernel_copies.rs"]
mod kernel_copies;
#[cfg(feature = "std")]
#[path = "soundness/listing.rs"]
mod listing;
#[path = "soundness/map_count.rs"]
mod map_count;
#[path = "soundness/merging.rs"]
mod merging;
#[path = "soundness/mirror.rs"]
mod mirror;
#[cfg(feature = "std")]
#[path = "soundness/missing_calls.rs"]
mod missing_calls;
#[path = "soundness/moves.rs"]
mod moves;
#[path = "soundness/neighbours.rs"]
mod neighbours;
#[path = "soundness/odd_ranges.rs"]
mod odd_ranges;
#[path = "soundness/passed_on.rs"]
mod passed_on;
#[path = "soundness/pieces.rs"]
mod pieces;
#[path = "soundness/published.rs"]
mod published;
#[path = "soundness/replaced.rs"]
mod replaced;
#[path = "soundness/requests.rs"]
mod requests;
#[path = "soundness/reservation.rs"]
mod reservation;
#[path = "soundness/runner.rs"]
mod runner;
#[path = "soundness/sealed.rs"]
mod sealed;
#[path = "soundness/secret.rs"]
mod secret;
#[path = "soundness/signals.rs"]
mod signals;
#[cfg(feature = "std")]
#[path = "soundness/supply.rs"]
mod supply;
#[path = "soundness/truncation.rs"]
mod truncation;
