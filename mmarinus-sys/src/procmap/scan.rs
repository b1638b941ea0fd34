//! `PAGEMAP_SCAN`: which pages of a range are of a kind, and were written since they were last asked for.
#![expect(unsafe_code, reason = "an ioctl has no safe form")]

use core::ffi::c_void;
use core::ops::Range;

use bitflags::bitflags;
use linux_raw_sys::general as raw;
use rustix::fd::AsFd;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

use super::GROUP;
use crate::Result;

bitflags! {
    /// `PAGE_IS_*`: what is known of a page (since Linux 6.7).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct PageCategories: u64 {
        /// `PAGE_IS_WPALLOWED`: a userfaultfd tracks writes to its map.
        const WPALLOWED = raw::PAGE_IS_WPALLOWED as u64;
        /// `PAGE_IS_WRITTEN`: it was written since it was last protected.
        ///
        /// Where nothing tracks writes it says nothing: Linux 6.18 sets it there for every page that is present, 7.3 for none.
        const WRITTEN = raw::PAGE_IS_WRITTEN as u64;
        /// `PAGE_IS_FILE`: it belongs to a file, or to shared memory.
        const FILE = raw::PAGE_IS_FILE as u64;
        /// `PAGE_IS_PRESENT`: it is in memory.
        const PRESENT = raw::PAGE_IS_PRESENT as u64;
        /// `PAGE_IS_SWAPPED`: it is in swap space, or only a mark is there.
        const SWAPPED = raw::PAGE_IS_SWAPPED as u64;
        /// `PAGE_IS_PFNZERO`: it is the zero page that all share.
        const PFNZERO = raw::PAGE_IS_PFNZERO as u64;
        /// `PAGE_IS_HUGE`: it is part of a huge page.
        const HUGE = raw::PAGE_IS_HUGE as u64;
        /// `PAGE_IS_SOFT_DIRTY`: it was written since `4` was last written to `/proc/PID/clear_refs`; needs a kernel built for
        /// it.
        const SOFT_DIRTY = raw::PAGE_IS_SOFT_DIRTY as u64;
        /// `PAGE_IS_GUARD`: it is a guard (since Linux 6.15).
        const GUARD = raw::PAGE_IS_GUARD as u64;
        const _ = !0;
    }
}

bitflags! {
    /// `PM_SCAN_*`: what a scan does beside looking (since Linux 6.7).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct PagemapScanFlags: u64 {
        /// `PM_SCAN_WP_MATCHING`: the pages that it returns are protected again, so that the next scan sees later writes.
        ///
        /// It does nothing where no userfaultfd with `WP_ASYNC` tracks writes.
        const WP_MATCHING = raw::PM_SCAN_WP_MATCHING as u64;
        /// `PM_SCAN_CHECK_WPASYNC`: fail with `EPERM` where no userfaultfd with `WP_ASYNC` tracks writes.
        const CHECK_WPASYNC = raw::PM_SCAN_CHECK_WPASYNC as u64;
        const _ = !0;
    }
}

/// `PAGEMAP_SCAN`: the number of the ioctl of [`pagemap_scan`], as a `seccomp` filter sees it.
pub const PAGEMAP_SCAN: u32 = opcode::read_write::<raw::pm_scan_arg>(GROUP, 16) as u32;

/// What [`pagemap_scan`] looks for.
///
/// A page matches if, after its categories were flipped by `inverted`, it has all of `mask` and, unless that is empty, one of
/// `anyof`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PagemapScan {
    /// What the scan does beside looking.
    pub flags: PagemapScanFlags,
    /// How many pages are returned at most; 0 is no limit.
    pub max_pages: u64,
    /// Categories whose meaning is turned around.
    pub inverted: PageCategories,
    /// Categories that a page must have, all of them.
    pub mask: PageCategories,
    /// Categories of which a page must have one; empty asks for none.
    pub anyof: PageCategories,
    /// Categories that are returned; pages side by side that are equal in these are one region.
    pub returned: PageCategories,
}

/// `struct page_region`: pages side by side with the same categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PageRegion {
    /// The first address.
    pub start: u64,
    /// The address behind the last.
    pub end: u64,
    /// What was asked for in [`returned`](PagemapScan::returned), and holds.
    pub categories: PageCategories,
}

const _: () = assert!(size_of::<PageRegion>() == size_of::<raw::page_region>());

/// What [`pagemap_scan`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagemapScanned {
    /// How many regions of the buffer were filled.
    pub regions: usize,
    /// The address where the scan stopped; below the end of the range if the buffer or `max_pages` was used up.
    pub walk_end: u64,
}

/// The ioctl: it returns a count, which the stock patterns drop.
struct Scan<'a>(&'a mut raw::pm_scan_arg);

// SAFETY:
// - `PAGEMAP_SCAN` takes a `pm_scan_arg`, and its opcode is `PAGEMAP_SCAN`.
// - The output is made of the return value alone.
unsafe impl Ioctl for Scan<'_> {
    type Output = usize;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        PAGEMAP_SCAN as Opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.0).cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> Result<usize> {
        Ok(out as usize)
    }
}

/// `ioctl(pagemap, PAGEMAP_SCAN, &arg)`—Finds the pages of a range that are of some categories (since Linux 6.7).
///
/// `pagemap` is an open `/proc/PID/pagemap`. The range is in addresses; its start is page aligned, its end is rounded up. With
/// an empty buffer nothing is returned, but with `WP_MATCHING` the pages are still protected. Of a buffer at most 2^31 - 1
/// regions are used. A process that is gone has no pages.
///
/// An error in the middle of a range loses what was found before it: with `WP_MATCHING` and `CHECK_WPASYNC` scan maps that are
/// tracked, one by one, where later writes must not be missed.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{PageCategories, PageRegion, PagemapScan, page_size, pagemap_scan};
///
/// let pagemap = std::fs::File::open("/proc/self/pagemap").unwrap();
/// let data = vec![1u8; page_size()];
/// let start = data.as_ptr().addr() / page_size() * page_size();
/// let range = start as u64..(start + page_size()) as u64;
/// let present = PageCategories::PRESENT;
/// let what = PagemapScan { mask: present, returned: present, ..PagemapScan::default() };
/// let mut regions = [PageRegion::default(); 1];
/// if let Ok(found) = pagemap_scan(&pagemap, range.clone(), &what, &mut regions) {
///     assert_eq!(found.regions, 1);
///     assert_eq!(regions[0], PageRegion { start: range.start, end: range.end, categories: present });
/// }
/// ```
///
/// # Errors
///
/// - `EFAULT`: the range is not in user space.
/// - `EINVAL`: the start is not page aligned, a flag or a category is unknown, or the range is turned around.
/// - `EPERM`: `CHECK_WPASYNC`, and a map of the range is not tracked by a userfaultfd with `WP_ASYNC`.
/// - `ENOTTY`: the kernel is older than 6.7, or `pagemap` is another file.
/// - `EINTR`: a signal that kills came.
///
/// # References
///
/// [PAGEMAP_SCAN(2const)](https://man7.org/linux/man-pages/man2/PAGEMAP_SCAN.2const.html)
#[doc(alias = "PAGEMAP_SCAN")]
pub fn pagemap_scan(
    pagemap: impl AsFd,
    range: Range<u64>,
    scan: &PagemapScan,
    regions: &mut [PageRegion],
) -> Result<PagemapScanned> {
    let vec = match regions {
        [] => 0,
        _ => regions.as_mut_ptr().expose_provenance() as u64,
    };
    let mut arg = raw::pm_scan_arg {
        size: size_of::<raw::pm_scan_arg>() as u64,
        flags: scan.flags.bits(),
        start: range.start,
        end: range.end,
        walk_end: 0,
        vec,
        // The kernel returns the count as an `int`.
        vec_len: regions.len().min(i32::MAX as usize) as u64,
        max_pages: scan.max_pages,
        category_inverted: scan.inverted.bits(),
        category_mask: scan.mask.bits(),
        category_anyof_mask: scan.anyof.bits(),
        return_mask: scan.returned.bits(),
    };
    // SAFETY:
    // - The kernel writes into the struct and, within its length, into the buffer, of which any bytes are valid regions.
    // - To protect pages with `WP_ASYNC` changes no byte and makes no access fail.
    let found = unsafe { ioctl(pagemap, Scan(&mut arg))? };
    Ok(PagemapScanned {
        // A file that is no pagemap may answer anything.
        regions: found.min(regions.len()),
        walk_end: arg.walk_end,
    })
}
