//! What people reach for `mmap` for, done once, without `unsafe`.
//!
//! Built on [`mmarinus`]. Sealed memory files, shared memory, rings, growable buffers, secrets and pagers belong here;
//! nothing in this crate may need `unsafe`: where it would, a safe constructor is missing in `mmarinus`.
//! None of them has landed yet.
#![forbid(unsafe_code)]
#![no_std]

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("mmarinus-ext maps memory on Linux and Android only");
