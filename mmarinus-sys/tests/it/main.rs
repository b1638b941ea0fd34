//! Tests of every call against the running kernel, a file per family.
#![expect(unsafe_code, reason = "every call under test is unsafe")]

#[path = "../../../testing/mod.rs"]
mod testing;

mod advise;
#[cfg(target_pointer_width = "64")]
mod any_input;
mod common;
mod hardware;
mod huge_page;
mod lock;
mod map;
mod memfd;
mod name;
mod numa;
mod open_files;
mod pkey;
mod policy;
mod privilege;
mod process;
mod procmap;
mod protect;
mod remap;
mod residency;
mod seal;
// The headers of the others have no flags for it.
#[cfg(not(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc",
    target_arch = "sparc64"
)))]
mod shadow_stack;
mod support;
mod sync;
mod transfer;
mod userfaultfd;
