//! Linux memory maps.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("mmarinus maps memory on Linux and Android only");
