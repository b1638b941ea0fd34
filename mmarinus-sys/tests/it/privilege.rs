//! Running a closure without root's privileges, to see what is refused then.

use std::thread;

use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

/// Runs a closure in a thread of its own that has no capability; the other threads keep theirs.
pub(crate) fn without<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    let none = CapabilitySet::empty();
    let none = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            set_capabilities(None, none).expect("anybody may give up what they have");
            run()
        });
        thread.join().expect("the thread ends")
    })
}
