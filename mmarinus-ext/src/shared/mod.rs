//! Memory that threads, forked children and other processes share: structs and rows of atomics, and what one needs to agree
//! there: a [`Counter`], a [`Once`], and a [`Lock`] that survives its owner's death.
//!
//! | made by | who shares it | type |
//! | --- | --- | --- |
//! | [`anonymous`], [`anonymous_slice`] | threads, and children that are forked afterwards | [`Block<T>`](Block) |
//! | [`file()`], [`file_slice`] | whoever gets the file, by [`ipc`](crate::ipc) or as a child | [`Block<T, SizeSealed>`](Block) |
//! | [`of`], [`slice_of`] | the same, on the receiver's side | [`Block<T, SizeSealed>`](Block) |
//!
//! A block lends its struct by `Deref`. The struct is made of atomics alone: an atomic integer, an array, one of the types here,
//! or what [`shared_layout!`](mmarinus::shared_layout) declares of them. So whatever another process writes there, at any time,
//! is a value; it cannot make this process fault, nor break a rule of Rust. Zeros are the first state of all that is here.
//!
//! # Who an owner is
//!
//! A [`Lock`] notes which *thread* has it: its number, and when it started, since numbers are used again. So a fork does not
//! inherit a lock, two threads of a process keep each other out, and whoever waits can ask the kernel (`/proc/TID/stat`) whether
//! the owner still lives. Where nothing can be learned of it, it is taken to live: a lock is never taken from a live owner.
//!
//! Numbers of threads mean something within a pid namespace. A lock remembers in which it was used first, and refuses others.
//!
//! A process that calls `exec` with a lock in its hands lives on, and so does the lock: give it back before.
//!
//! # Peers that lie
//!
//! Who can write a lock can hold it for ever, or give it to several. What it protects is then in disorder, but it is atomics
//! all the same. `lock` and `wait` without a limit of time are for peers that one trusts to get on; for others there is a form
//! with one.
//!
//! # Examples
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
//! use mmarinus_ext::shared::{self, Counter, Lock};
//!
//! mmarinus::shared_layout! {
//!     struct Account {
//!         lock: Lock,
//!         transfers: Counter,
//!         balances: [AtomicU64; 2],
//!     }
//! }
//!
//! let account = shared::anonymous::<Account>()?;
//! account.balances[0].store(100, Relaxed);
//! std::thread::scope(|scope| {
//!     for _ in 0..4 {
//!         scope.spawn(|| {
//!             let held = account.lock.lock()?.or_repair(|| { /* add up what the books say */ });
//!             account.balances[0].fetch_sub(10, Relaxed);
//!             account.balances[1].fetch_add(10, Relaxed);
//!             drop(held);
//!             account.transfers.add(1);
//!             Ok::<(), shared::Error>(())
//!         });
//!     }
//! });
//! assert_eq!(account.transfers.wait(4), 4);
//! assert_eq!(account.balances[1].load(Relaxed), 40);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html),
//! [proc_pid_stat(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)

mod block;
mod counter;
mod error;
mod futex;
mod identity;
#[cfg(test)]
mod interleavings;
mod lock;
mod once;
mod protocol;

pub use block::{Block, anonymous, anonymous_slice, file, file_slice, of, slice_of};
pub use counter::Counter;
pub use error::Error;
pub use lock::{Abandoned, Guard, Lock, Locked};
pub use once::{Attempt, Once};
