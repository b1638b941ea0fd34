//! Memory files of `memfd_secret`: made for one map, and handed to nobody.

use mmarinus_sys::{Errno, MemfdSecretFlags, memfd_secret};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::ftruncate;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit};

use crate::error::{Cause, Operation};
use crate::layout::Layout;

/// Makes a secret memory file that is as long as the pages of a map.
#[cold]
pub(crate) fn make(layout: Layout) -> Result<OwnedFd, Cause> {
    let figures = [layout.len(), 0];
    let failed = |errno| Cause::kernel(Operation::MemfdSecret, errno, figures);
    let fd = memfd_secret(MemfdSecretFlags::CLOEXEC).map_err(failed)?;
    // Any code may put another file behind the standard descriptors, should they have been closed.
    let fd = match fd.as_raw_fd() {
        0..=2 => fcntl_dupfd_cloexec(&fd, 3).map_err(failed)?,
        _ => fd,
    };
    let size = u64::try_from(layout.len()).map_err(|_| failed(Errno::OVERFLOW))?;
    // To pass the limit would end the process by a signal.
    if getrlimit(Resource::Fsize)
        .current
        .is_some_and(|limit| size > limit)
    {
        return Err(failed(Errno::FBIG));
    }
    ftruncate(&fd, size).map_err(failed)?;
    Ok(fd)
}
