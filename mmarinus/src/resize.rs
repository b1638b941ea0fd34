//! Growing and shrinking a map, and moving it to another address.
#![expect(
    unsafe_code,
    reason = "says what the pages of a map are after the kernel moved them"
)]

use mmarinus_sys::Errno;

use crate::backing::{Backing, Resizable};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::map::Map;
use crate::perms::Permissions;
use crate::region::{Region, Room};

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Grows or shrinks the map to `size` bytes, and moves it if it must: `mremap`.
    ///
    /// Only private anonymous memory and files grow: other objects keep their size, and pages past it would be SIGBUS. New
    /// pages of anonymous memory are zeroed; bytes that come back within a page hold what they held. Past the end of a file,
    /// copies are errors until it grows. An empty map grows only if it is anonymous, and was not locked or asked for with
    /// `.locked()`, `.no_reserve()`, `.stack()`, `.dont_fork()` or `.wipe_on_fork()`, which new pages would lack. A guarded
    /// map changes to no length but 0.
    ///
    /// A map that grows costs three more calls (`mmap`, `mincore`, `munmap` of one page), which see to it that the pages do not
    /// reach the gap below the main thread's stack.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let mut map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map[0] = 7;
    /// let map = map.resize(1 << 20)?;
    /// assert_eq!((map.len(), map[0], map[1 << 19]), (1 << 20, 7, 0));
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The map comes back as it was.
    ///
    /// - `EAGAIN`: the map is locked, and would grow beyond `RLIMIT_MEMLOCK`.
    /// - `EFAULT`: the map grows, and the kernel holds it as several mappings, since parts of it were locked or advised.
    /// - `EINVAL`: an empty map of a file was to grow, or a shared one that was [`unstable`](Map::unstable), or one of huge
    ///   pages; or the new length does not fit into the address space.
    /// - `ENOMEM`: no room, more than `isize::MAX` bytes, `RLIMIT_AS`, the commit limit, or `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html)
    #[inline]
    pub fn resize(self, size: usize) -> Result<Self, Error<Self>>
    where
        B: Resizable<K>,
    {
        self.resize_in(size, Room::Anywhere)
    }

    /// Grows or shrinks the map to `size` bytes where it is: `mremap` without `MREMAP_MAYMOVE`.
    ///
    /// # Errors
    ///
    /// As for [`resize`](Self::resize); `ENOMEM` also if the addresses behind the map are taken.
    #[inline]
    pub fn resize_in_place(self, size: usize) -> Result<Self, Error<Self>>
    where
        B: Resizable<K>,
    {
        self.resize_in(size, Room::Here)
    }

    /// Resizes with the room that there is.
    fn resize_in(self, size: usize, room: Room) -> Result<Self, Error<Self>>
    where
        B: Resizable<K>,
    {
        let (perms, region) = self.into_region();
        let figures = [size, region.as_ptr().addr()];
        let layout = Layout::new(region.head(), size, region.page_shift());
        let resized = match (size, layout) {
            (0, _) => region.emptied(),
            (_, None) => Err((region, Errno::NOMEM)),
            _ if region.is_guarded() => Err((region, Errno::INVAL)),
            (_, Some(layout)) if layout.len() > region.pages().1 && !region.grows() => {
                Err((region, Errno::INVAL))
            }
            (_, Some(layout)) if region.len() != 0 => region.resize(layout, room),
            (_, Some(layout)) if B::GROWS_FROM_NOTHING && !region.is_special() => {
                // An empty region has no place that it could grow at.
                Region::map(layout, 0, perms.flags(), B::NEW_PAGES, None)
                    .map_err(|errno| (region, errno))
            }
            (_, Some(_)) => Err((region, Errno::INVAL)),
        };
        match resized {
            // SAFETY: the kernel changed the length and the place of these pages; new ones have the same permissions and the same
            // behind them: zeros (`GROWS_FROM_NOTHING` is said of private memory of no file alone), or more of the file.
            Ok(region) => Ok(unsafe { Self::from_region(perms, region) }),
            Err((region, errno)) => {
                let reason = match layout {
                    None if size != 0 => Reason::TooLong,
                    Some(_) if region.is_guarded() => Reason::Guarded,
                    Some(_) if region.is_huge() && errno == Errno::INVAL => Reason::HugeBounded,
                    Some(_) if region.len() == 0 => Reason::NothingToGrow,
                    Some(_) if !region.grows() => Reason::NeverGrows,
                    _ => Reason::Kernel,
                };
                let cause = Cause {
                    operation: Operation::Resize,
                    reason,
                    errno,
                    figures,
                };
                // SAFETY: the region is this map's; a resize that fails changes nothing.
                Err(Error::with_map(cause, unsafe {
                    Self::from_region(perms, region)
                }))
            }
        }
    }

    /// Moves the map so that its first byte is at `address`, if nothing is there: `mremap` with `MREMAP_FIXED`.
    ///
    /// The address is reserved first, so that nothing is replaced; it cannot overlap the map's own. An empty map stays where it
    /// is, which is nowhere. The address must agree with [`addr`](Self::addr) modulo the page size.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let mut map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map[0] = 7;
    /// let address = Map::bytes(4096).anonymously().with(perms::None)?.addr(); // Free again at once.
    /// let map = map.move_to(address)?;
    /// assert_eq!((map.addr(), map[0]), (address, 7));
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The map comes back as it was. If the move itself failed, the new addresses may stay reserved.
    ///
    /// - `EEXIST`: something is mapped there.
    /// - `EFAULT`: the kernel may hold the map as several mappings, since parts of it were locked, advised or joined.
    /// - `EINVAL`: the address does not agree with the map's modulo the page size, or is in page 0; the pages are huge and were
    ///   split, or the kernel is older than Linux 5.16.
    /// - `ENOMEM`: `vm.max_map_count`, or no room.
    pub fn move_to(self, address: usize) -> Result<Self, Error<Self>> {
        let (perms, region) = self.into_region();
        let figures = [region.len(), address];
        let page = region.page_size();
        let first = address.wrapping_sub(region.head());
        let refusal = match first {
            _ if !first.is_multiple_of(page) => Some(Reason::MisplacedMove),
            _ if !region.is_movable() && region.len() != 0 => Some(Reason::HugeCut),
            0 => Some(Reason::AddressZero),
            _ => None,
        };
        let moved = match refusal {
            None => region
                .move_to(first)
                .map_err(|(region, errno)| (region, Reason::Kernel, errno)),
            Some(reason) => Err((region, reason, reason.errno())),
        };
        match moved {
            // SAFETY: the kernel moved these pages, and changed nothing else.
            Ok(region) => Ok(unsafe { Self::from_region(perms, region) }),
            Err((region, reason, errno)) => {
                let cause = Cause {
                    operation: Operation::Move,
                    reason,
                    errno,
                    figures,
                };
                // SAFETY: the region is this map's; a move that fails leaves its source.
                Err(Error::with_map(cause, unsafe {
                    Self::from_region(perms, region)
                }))
            }
        }
    }
}
