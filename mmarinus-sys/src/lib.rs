//! Every Linux memory-management call and constant, typed.
//!
//! One file per family of calls, one function per honest variant of a call, the kernel's own names. There is no policy and no
//! allocation here: a function does one system call and returns what the kernel said, as an [`Errno`] where it refused.
//! What rustix wraps is called through rustix; what it lacks, or gets wrong, is called directly.
//!
//! Functions are `unsafe` where the kernel would let them change memory that somebody else holds a reference to. For maps
//! that safe code may use, see the crate `mmarinus`.
//!
//! # Safety
//!
//! The `# Safety` sections below use these words:
//!
//! - A range is **owned** by the caller if it was mapped by the caller (or handed over by whoever mapped it), if nobody else
//!   will unmap, remap or reprotect it, and if no Rust allocation, stack, static or code lies in it.
//! - A range is **unborrowed** if no live Rust reference points into it and none is made while the call runs.
#![no_std]

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("mmarinus-sys wraps the memory-management calls of Linux, so it builds for Linux and Android only");

mod advise;
mod huge_page;
mod lock;
mod map;
mod memfd;
mod page;
mod pkey;
mod process;
mod protect;
mod raw;
mod residency;
mod seal;
mod sync;

pub use advise::{Advice, madvise, process_madvise};
pub use huge_page::HugePage;
pub use lock::{MlockAllFlags, MlockFlags, mlock, mlock2, mlockall, munlock, munlockall};
pub use map::{MapFlags, RemapFlags, mmap, mmap_anonymous, mremap, mremap_fixed, munmap, remap_file_pages};
pub use memfd::{FallocateFlags, MemfdFlags, MemfdSecretFlags, SealFlags};
pub use memfd::{fallocate, fcntl_add_seals, fcntl_get_seals, memfd_create, memfd_secret};
pub use page::page_size;
pub use pkey::{Pkey, PkeyRights, pkey_alloc, pkey_free, pkey_mprotect};
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub use pkey::{rdpkru, wrpkru};
pub use process::{IoVec, PIDFD_SELF, Pid, gettid, process_mrelease, process_vm_readv, process_vm_writev};
pub use protect::{MprotectFlags, ProtFlags, mprotect};
pub use residency::{CacheStat, cachestat, mincore};
pub use rustix::fd;
pub use rustix::io::Errno;
pub use seal::mseal;
pub use sync::{MsyncFlags, msync};

/// What every call returns: the kernel's answer, or its [`Errno`].
pub type Result<T, E = Errno> = core::result::Result<T, E>;
