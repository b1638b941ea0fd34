//! How long a file may get: the kernel ends a process by SIGXFSZ that passes `RLIMIT_FSIZE`, so nothing here gets there.

use rustix::process::{Resource, getrlimit};

use super::error::{Cause, Step};

/// How long a file may be that this process writes, if that is limited.
#[inline]
pub(crate) fn file_limit() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Whether `len` bytes from `start` on may be written, or a file be made so long.
#[inline]
pub(super) fn check(step: Step, start: u64, len: u64) -> Result<(), Cause> {
    match file_limit() {
        Some(limit) if len != 0 && start.saturating_add(len) > limit => {
            Err(Cause::limit(step, limit))
        }
        _ => Ok(()),
    }
}
