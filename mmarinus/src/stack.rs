//! How far the main thread's stack may grow down: the kernel keeps other maps away from it only while they are accessible.

use rustix::param::linux_execfn;
use rustix::process::{Resource, getrlimit};

/// The gap in pages that the kernel keeps below the stack, unless it was told otherwise when it started (`stack_guard_gap`).
const GAP: usize = 256;

/// How far below its top the stack is taken to grow where it has no limit: as far as the kernel keeps free for it at least.
const UNLIMITED: usize = 128 << 20;

/// Whether the main thread's stack may come to grow into a range of addresses, or into the gap that belongs above it.
pub(crate) fn may_reach(start: usize, end: usize) -> bool {
    // The name of the program lies at the very top of the stack, above all that was ever pushed to it.
    let top = linux_execfn().as_ptr().addr();
    let limit = getrlimit(Resource::Stack).current;
    let limit = limit.map_or(UNLIMITED, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    let gap = GAP.saturating_mul(mmarinus_sys::page_size());
    start <= top && end > top.saturating_sub(limit).saturating_sub(gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_reaches_its_own_pages_and_not_the_first() {
        let top = linux_execfn().as_ptr().addr();
        assert!(may_reach(top - 4096, top));
        assert!(may_reach(top - (1 << 20), top - (1 << 19)));
        assert!(!may_reach(4096, 1 << 20));
        assert!(!may_reach(usize::MAX - 8191, usize::MAX - 4095));
    }
}
