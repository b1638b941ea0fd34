//! Growing a file and the map of it together.
#![expect(unsafe_code, reason = "says what the pages of a grown map are")]

use mmarinus_sys::{Errno, FallocateFlags, MapFlags, ProtFlags, fallocate};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{fstat, major, minor};
use rustix::process::{Resource, getrlimit};

use crate::backing::{File, Stable};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::map::Map;
use crate::perms::Permissions;
use crate::proc::{Mapping, mapping_at};
use crate::region::{Region, Room};
use crate::source::look_at_file;

impl<P: Permissions, K: Kind> Map<P, K, File> {
    /// Makes the file long enough for a map of `size` bytes, with all blocks of these allocated, and then the map:
    /// `fallocate` and `mremap`.
    ///
    /// `file` is the file that the map is of, by any descriptor that is open for writing; its offset is asked from the kernel.
    /// A file that is long enough keeps its length, and its holes under the map are filled. If `size` is the map's length that
    /// is all that is done. The map may move.
    ///
    /// Another file than the map's is refused, by its device and its number there. Should a file system give two files the
    /// same number, and the other one is handed in, the map grows past the end of its own: copies from there are errors.
    ///
    /// A shared map whose promise was taken back by [`unstable`](Map::unstable) is mapped anew from `file`, at another address
    /// and without the advice, locks and policies that it had: it could otherwise grow over pages that are still promised for
    /// another map.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let file = tempfile::tempfile()?;
    /// file.set_len(4096)?;
    /// let map = Map::bytes(4096).anywhere().from(&file, 0).with_kind(Shared).with(perms::ReadWrite)?;
    /// let mut map = map.grow_file(&file, 1 << 20)?;
    /// map.write_at((1 << 20) - 4, b"last")?;
    /// assert_eq!((map.len(), file.metadata()?.len()), (1 << 20, 1 << 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The map comes back as it was. The file may be longer then, and is not made shorter again: others may have written to it.
    ///
    /// - `EACCES`: `file` is not open for reading, and either its number is another one than the map's, or the map is to be
    ///   mapped anew.
    /// - `EBADF`: `file` is not open for writing.
    /// - `EFAULT`: the kernel holds the map as several mappings, since parts of it were locked or advised.
    /// - `EFBIG`: the file would pass the largest size of its file system, or `RLIMIT_FSIZE`.
    /// - `EINVAL`: another file, or one in huge pages; fewer bytes than the map has; an empty map, of which nobody knows where in
    ///   the file it was; or a map that would have to be mapped anew and was asked for with options.
    /// - `ENOENT`: no `/proc` is mounted.
    /// - `ENOMEM`: as for [`resize`](Map::resize).
    /// - `ENOSPC`, `EDQUOT`: the storage is full.
    /// - `EOPNOTSUPP`: the file system does not allocate blocks beforehand. `set_len` and [`resize`](Map::resize) remain.
    /// - `EOVERFLOW`: past the largest offset in a file.
    /// - `EPERM`: the file is sealed, immutable, or append only.
    ///
    /// # References
    ///
    /// [fallocate(2)](https://man7.org/linux/man-pages/man2/fallocate.2.html),
    /// [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html)
    pub fn grow_file<F: AsFd + ?Sized>(self, file: &F, size: usize) -> Result<Self, Error<Self>> {
        let way = match self.region().grows() {
            true => Way::Longer,
            false => Way::Anew,
        };
        let (perms, region) = self.into_region();
        match grow::<K>(region, perms.flags(), file.as_fd(), size, way) {
            // SAFETY: the pages are of the same kind with the same permissions, and of a file, of which nothing is said that
            // could be untrue.
            Ok(region) => Ok(unsafe { Map::from_region(perms, region) }),
            // SAFETY: the region is this map's, unchanged.
            Err((region, cause)) => Err(Error::with_map(cause, unsafe {
                Self::from_region(perms, region)
            })),
        }
    }
}

impl<P: Permissions, K: Kind> Map<P, K, Stable> {
    /// Takes the promise back, as [`unstable`](Map::unstable), and makes the file and the map longer, as the `grow_file` of a map
    /// of a file. Where that fails, the map comes back with its promise.
    ///
    /// What is new of the file is promised by nobody yet; to promise it is to promise all of the map again.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let file = tempfile::tempfile()?;
    /// file.set_len(4096)?;
    /// let map = Map::bytes(4096).anywhere().from(&file, 0).with(perms::Read)?.grow_file(&file, 4096)?;
    /// // SAFETY: the file has no name, its only descriptor stays here, it holds the map, and its blocks are allocated.
    /// let map = unsafe { map.assume_stable() };
    /// let map = map.grow_file(&file, 8192)?;
    /// // SAFETY: as above: the blocks up to the new end are allocated as well.
    /// let map = unsafe { map.assume_stable() };
    /// assert!(map.iter().all(|&byte| byte == 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for the `grow_file` of a map of a file.
    pub fn grow_file<F: AsFd + ?Sized>(
        self,
        file: &F,
        size: usize,
    ) -> Result<Map<P, K, File>, Error<Self>> {
        let way = match K::SHARED {
            true => Way::Anew,
            false => Way::Longer,
        };
        let (perms, region) = self.into_region();
        match grow::<K>(region, perms.flags(), file.as_fd(), size, way) {
            // SAFETY: the pages are of the same kind with the same permissions, and of a file, of which nothing is said that
            // could be untrue.
            Ok(region) => Ok(unsafe { Map::from_region(perms, region) }),
            // SAFETY: the region is this map's, unchanged; that the file may be longer breaks no promise.
            Err((region, cause)) => Err(Error::with_map(cause, unsafe {
                Self::from_region(perms, region)
            })),
        }
    }
}

/// How a map gets longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By `mremap`, with all that it has. It then covers what lies behind its end in *its own* file.
    Longer,
    /// By a new map of the descriptor that was handed in. Whoever holds that could make such a map anyway, so nothing can be
    /// reached by it that could not be before; whatever file the old map was of, and whatever was promised of that.
    Anew,
}

/// Grows the file and the region. A failure leaves the region as it was.
fn grow<K: Kind>(
    region: Region,
    prot: ProtFlags,
    file: BorrowedFd<'_>,
    size: usize,
    way: Way,
) -> Result<Region, (Region, Cause)> {
    let address = region.as_ptr().addr();
    let (layout, offset) = match prepare(&region, file, size, way) {
        Ok(prepared) => prepared,
        Err(cause) => return Err((region, cause)),
    };
    if let Err(errno) = allocate(file, offset, size) {
        let cause = Cause::kernel(Operation::Fallocate, errno, [size, offset as usize]);
        return Err((region, cause));
    }
    if size == region.len() && way == Way::Longer {
        return Ok(region);
    }
    match way {
        Way::Longer => region
            .resize(layout, Room::Anywhere)
            .map_err(|(region, errno)| {
                (
                    region,
                    Cause::kernel(Operation::Resize, errno, [size, address]),
                )
            }),
        Way::Anew => {
            let flags = if K::SHARED {
                MapFlags::SHARED
            } else {
                MapFlags::PRIVATE
            };
            let first_page = offset - region.head() as u64;
            Region::map(layout, 0, prot, flags, Some((file, first_page))).map_err(|errno| {
                (
                    region,
                    Cause::kernel(Operation::Mmap, errno, [layout.len(), 0]),
                )
            })
        }
    }
}

/// Checks all that can be checked before the file is changed. Says how the pages will lie, and the offset of the first byte in
/// the file.
fn prepare(
    region: &Region,
    file: BorrowedFd<'_>,
    size: usize,
    way: Way,
) -> Result<(Layout, u64), Cause> {
    let (first_page, _) = region.pages();
    let refused = |reason| Cause::refused(Operation::Grow, reason, [size, region.as_ptr().addr()]);
    let layout = Layout::new(region.head(), size, region.page_shift());
    let layout = match layout {
        _ if size < region.len() => return Err(refused(Reason::OnlyGrows)),
        _ if region.len() == 0 => return Err(refused(Reason::NothingToGrow)),
        _ if region.is_guarded() => return Err(refused(Reason::Guarded)),
        _ if region.is_huge() => return Err(refused(Reason::HugeBounded)),
        None => return Err(refused(Reason::TooLong)),
        Some(layout) => layout,
    };
    if way == Way::Anew && region.is_special() {
        return Err(refused(Reason::LosesOptions));
    }
    if look_at_file(file)?.page_shift != region.page_shift() {
        return Err(refused(Reason::OtherPages));
    }
    let mapping =
        mapping_at(first_page).map_err(|errno| Cause::kernel(Operation::Maps, errno, [0, 0]))?;
    if !is_of(&mapping, file, region.page_shift())? {
        return Err(refused(Reason::OtherFile));
    }
    let offset = (first_page as u64 - mapping.start)
        .checked_add(mapping.offset)
        .and_then(|offset| offset.checked_add(region.head() as u64));
    match offset {
        Some(offset) if offset <= i64::MAX as u64 - layout.len() as u64 => Ok((layout, offset)),
        _ => Err(refused(Reason::OffsetTooFar)),
    }
}

/// Whether a mapping is of this file, as far as its device and its number tell.
fn is_of(mapping: &Mapping, file: BorrowedFd<'_>, page_shift: u8) -> Result<bool, Cause> {
    let stat = fstat(file).map_err(|errno| Cause::kernel(Operation::Fstat, errno, [0, 0]))?;
    let device = (major(stat.st_dev), minor(stat.st_dev));
    if (mapping.device, mapping.inode) == (device, stat.st_ino as u64) {
        return Ok(true);
    }
    // Some file systems (btrfs, overlayfs) tell other numbers by `stat` than in the list of maps. So a page of the file is
    // mapped, and compared there.
    let failed = |errno| Cause::kernel(Operation::Mmap, errno, [1 << page_shift, 0]);
    let layout = Layout::new(0, 1, page_shift).ok_or(failed(Errno::NOMEM))?;
    let nothing = ProtFlags::empty();
    let page =
        Region::map(layout, 0, nothing, MapFlags::PRIVATE, Some((file, 0))).map_err(failed)?;
    let probe = mapping_at(page.pages().0)
        .map_err(|errno| Cause::kernel(Operation::Maps, errno, [0, 0]))?;
    Ok((mapping.device, mapping.inode) == (probe.device, probe.inode))
}

/// Allocates the blocks of `size` bytes of a file, which gets longer if it must.
fn allocate(file: BorrowedFd<'_>, offset: u64, size: usize) -> Result<(), Errno> {
    let end = offset + size as u64;
    let limit = getrlimit(Resource::Fsize).current;
    // To pass the limit would end the process by SIGXFSZ.
    if limit.is_some_and(|limit| end > limit) && end > fstat(file)?.st_size as u64 {
        return Err(Errno::FBIG);
    }
    let (mut done, mut piece) = (0, size);
    while done < size {
        let len = piece.min(size - done);
        match fallocate(
            file,
            FallocateFlags::empty(),
            offset + done as u64,
            len as u64,
        ) {
            Ok(()) => done += len,
            // A signal came, and file systems in memory then gave back what they had allocated in this call. Less at a time comes
            // to an end between two signals.
            Err(Errno::INTR) => piece = (piece / 2).max(1 << 16),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
