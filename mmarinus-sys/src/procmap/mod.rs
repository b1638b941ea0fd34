//! What the kernel says about the maps and pages of a process, by the files `maps` and `pagemap` of its `/proc` folder.

mod pagemap;
mod query;
mod scan;

pub use pagemap::{PagemapEntry, pagemap_read};
pub use query::{PROCMAP_QUERY, ProcmapFlags, ProcmapVma, procmap_query, procmap_query_named};
pub use scan::{PAGEMAP_SCAN, PageCategories, PageRegion};
pub use scan::{PagemapScan, PagemapScanFlags, PagemapScanned, pagemap_scan};

/// The group of the ioctls of files in `/proc`.
const GROUP: u8 = b'f';
