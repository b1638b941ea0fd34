//! Tests of copies once more, with the fault handler installed before the first of them: to callers nothing changes but speed.
#![expect(
    unsafe_code,
    reason = "installs the handler, and puts that where a program starts"
)]

#[path = "../../testing/mod.rs"]
mod testing;

#[path = "it/common.rs"]
mod common;
#[path = "it/raw.rs"]
mod raw;

#[path = "it/copies.rs"]
mod copies;
#[cfg(feature = "std")]
#[path = "it/cursor.rs"]
mod cursor;
#[path = "it/effects.rs"]
mod effects;
#[path = "it/transfer.rs"]
mod transfer;
#[path = "soundness/truncation.rs"]
mod truncation;
#[cfg(feature = "zerocopy")]
#[path = "it/typed.rs"]
mod typed;
#[path = "it/view.rs"]
mod view;

/// Called when this program, or a child that a test starts, begins.
extern "C" fn install() {
    // SAFETY: the tests block no signal, and install no handlers of these two.
    unsafe { mmarinus::fault::install() }.expect("a handler");
}

#[used]
// The section holds addresses of functions that are called before `main`.
#[unsafe(link_section = ".init_array")]
static INSTALL: extern "C" fn() = install;
