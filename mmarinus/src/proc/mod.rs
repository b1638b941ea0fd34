//! What the kernel says about this process's own address space, in the files `maps`, `smaps` and `pagemap` of `/proc`.

mod line;
mod lines;
mod lookup;
#[cfg(feature = "std")]
mod maps;
mod pages;
mod scan;
mod smaps;

use core::ffi::CStr;

use mmarinus_sys::Errno;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open as open_file};

pub(crate) use lookup::{Mapping, Name, mapping_at};
#[cfg(feature = "std")]
pub use maps::{Maps, Vma, maps};
pub(crate) use pages::{Counts, Pages, count};
pub(crate) use scan::Batches;
pub(crate) use smaps::figures;

/// The list of maps. The one of the calling thread, since that of the process is empty once its main thread has ended.
const MAPS: &CStr = c"/proc/thread-self/maps";

/// The list of maps with figures.
const SMAPS: &CStr = c"/proc/thread-self/smaps";

/// One entry for each page.
pub(crate) const PAGEMAP: &CStr = c"/proc/thread-self/pagemap";

/// Opens one of these files.
pub(crate) fn open(path: &CStr) -> Result<OwnedFd, Errno> {
    open_file(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}
