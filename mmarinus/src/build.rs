//! The end of a request: the system call that makes a map in a free place, over a range, or over another map.
#![expect(
    unsafe_code,
    reason = "says what the pages of a new map are, and replaces others"
)]

use mmarinus_sys::{Advice, Errno, MapFlags, ProtFlags};

use crate::backing::Backing;
use crate::builder::{Builder, Fork, New, Onto, Over, Prepared};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::layout::{Layout, page_shift};
use crate::map::Map;
use crate::name::Name;
use crate::perms::Permissions;
use crate::region::{Reach, Region, SYNCHRONOUS, Spot, room};

impl<K: Kind, B> Builder<'_, K, B, New> {
    /// Maps what was asked for, with these permissions.
    ///
    /// One call of `mmap`; two more before it if the descriptor was not looked at yet, and one after it to
    /// [`populate`](Self::populate) what is not private anonymous memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// let map = Map::bytes(100).anywhere().anonymously().with(perms::Read)?;
    /// assert!(map.iter().all(|&byte| byte == 0));
    ///
    /// let error = Map::bytes(100).at(map.addr()).anonymously().with(perms::Read).unwrap_err();
    /// assert_eq!(error.errno(), Errno::EXIST);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error says what to do about it.
    ///
    /// - `EACCES`: the file is not open for reading, or not for writing where a shared map is to be written.
    /// - `EAGAIN`: locking would pass `RLIMIT_MEMLOCK`.
    /// - `EEXIST`: something is mapped where [`at`](Self::at) says.
    /// - `EFAULT`: a page could not be populated: the file is shorter than the map, or its storage is full; or a huge page could
    ///   not be had though it was reserved.
    /// - `EINVAL`: address and offset do not agree, the address is in page 0, the permissions have unknown bits, or none of
    ///   reading and writing where pages are to be populated.
    /// - `EISDIR`, `ENODEV`, `EOPNOTSUPP`: the descriptor is not a file that can be mapped so; see
    ///   [`Source::of`](crate::Source::of). `EOPNOTSUPP` also for shared anonymous memory or huge pages without a reservation.
    /// - `ENOMEM`: more than `isize::MAX` bytes, or no room: address space, `RLIMIT_AS`, commit limit, `vm.max_map_count`,
    ///   or no free huge pages of that size.
    /// - `EOVERFLOW`: the map would end past the largest offset of a file.
    /// - `EPERM`: a mount option or a seal forbids it, or the address is below `vm.mmap_min_addr`.
    #[inline(always)]
    pub fn with<P: Permissions>(self, perms: P) -> Result<Map<P, K, B>, Error>
    where
        B: Backing<K>,
    {
        let prot = perms.flags();
        let size = self.size;
        let region = match self.map_if_plain(prot) {
            Some(mapped) => mapped?,
            None => self.map_in_more_words(prot)?,
        };
        // It has; but now the compiler knows.
        let region = region.of_len(size);
        // SAFETY: the region was just mapped with the flags of `perms`, of kind `K`, from the origin that `B` names
        // (`map_if_plain`, `prepare`).
        Ok(unsafe { Map::from_region(perms, region) })
    }

    /// Maps in a free place what is more than a [plain](Self::map_if_plain) request, or to be refused.
    #[inline(never)]
    fn map_in_more_words(self, prot: ProtFlags) -> Result<Region, Cause> {
        self.map(self.prepare(prot)?)
    }

    /// Maps in a free place.
    pub(crate) fn map(&self, prepared: Prepared<'_>) -> Result<Region, Cause> {
        let secret = prepared.secret()?;
        let prepared = prepared.behind(secret.as_ref());
        let Prepared {
            layout,
            page_shift,
            prot,
            flags,
            behind,
            align,
            ..
        } = prepared;
        let New { address, exactly } = self.place;
        let Some(layout) = layout else {
            return Ok(Region::empty(page_shift).asked_with(flags, prepared.is_special()));
        };
        let mapped = if exactly {
            let start = first_page(self, layout, address, &prepared)?;
            if prepared.guarded {
                map_guarded(&prepared, layout, start, exactly)
            } else {
                Region::map_at(layout, start, prot, flags, behind)
            }
        } else if prepared.guarded {
            let hint = address.saturating_sub(layout.head());
            map_guarded(&prepared, layout, hint, exactly)
        } else {
            let hint = address.saturating_sub(layout.head());
            if prepared.reach != Reach::Anywhere {
                Region::map_within(prepared.reach, layout, hint, align, prot, flags, behind)
            } else if align <= 1 << page_shift {
                Region::map(layout, hint, prot, flags, behind)
            } else {
                Region::map_aligned(layout, hint, align, prot, flags, behind)
            }
        };
        finish(&prepared, mapped, [layout.len(), address])
    }
}

impl<K: Kind, B> Builder<'_, K, B, Onto> {
    /// Maps what was asked for over whatever is mapped there, with these permissions: `MAP_FIXED`.
    ///
    /// # Safety
    ///
    /// The whole pages around `address .. address + size` belong to the caller: no Rust allocation, stack, static, code or
    /// map lies there, nobody borrows from them, and nobody else will unmap, move or reprotect them.
    ///
    /// `MAP_FIXED` is not transactional: after an error the range may be unmapped, and another thread may map it.
    ///
    /// # Errors
    ///
    /// As for [`with`](Builder::with), but for `EEXIST`.
    #[inline]
    pub unsafe fn replace<P: Permissions>(self, perms: P) -> Result<Map<P, K, B>, Error>
    where
        B: Backing<K>,
    {
        let prepared = self.prepare(perms.flags())?;
        if prepared.guarded {
            return Err(self.refused(Reason::GuardedOnto).into());
        }
        let secret = prepared.secret()?;
        let prepared = prepared.behind(secret.as_ref());
        let Prepared {
            layout,
            page_shift,
            prot,
            flags,
            behind,
            ..
        } = prepared;
        let region = match layout {
            None => Region::empty(page_shift).asked_with(flags, prepared.is_special()),
            Some(layout) => {
                let start = first_page(&self, layout, self.place.address, &prepared)?;
                // SAFETY: the caller gives the range away.
                let mapped = unsafe { Region::map_onto(layout, start, prot, flags, behind) };
                finish(&prepared, mapped, [layout.len(), self.place.address])?
            }
        };
        // SAFETY: the region was just mapped with the flags of `perms`, of kind `K`, from the origin that `B` names (`prepare`).
        Ok(unsafe { Map::from_region(perms, region) })
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Asks for other pages in the place of this map's, which are gone then: `mremap` with `MREMAP_FIXED`.
    ///
    /// The new pages are mapped elsewhere first, and moved over the old ones only when nothing can go wrong with them any more;
    /// so a failure leaves this map as it was, and gives it back in the error. If the move itself fails, the kernel may already
    /// have unmapped the old pages; then there is no map in the error, and the range is never touched again.
    ///
    /// Length and address stay. A file's offset must agree with the address modulo the page size.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use mmarinus::{Map, perms};
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"hello")?;
    /// let old = Map::bytes(5).anywhere().anonymously().with(perms::ReadWrite)?;
    /// let addr = old.addr();
    /// let new = old.remap().from(&file, 0).with(perms::Read)?;
    /// assert_eq!(new.addr(), addr);
    /// let mut bytes = [0; 5];
    /// new.read_at(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    ///
    /// [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html)
    #[inline]
    pub fn remap(self) -> Builder<'static, crate::Private, crate::builder::Unset, Over<Self>> {
        Builder::new(self.len(), Over { old: self })
    }
}

impl<K: Kind, B, P0: Permissions, K0: Kind, B0: Backing<K0>>
    Builder<'_, K, B, Over<Map<P0, K0, B0>>>
{
    /// Maps what was asked for and moves it over the old map, with these permissions.
    ///
    /// # Errors
    ///
    /// As for the `with` of a [new](New) map, and then the old map comes back with the error, exactly as it was.
    ///
    /// Only if the move itself failed is there no map in the error: where another thread took the last mappings of
    /// `vm.max_map_count` in between, say.
    #[inline]
    #[expect(
        clippy::type_complexity,
        reason = "the new map or the old one: both are said in full"
    )]
    pub fn with<P: Permissions>(self, perms: P) -> Result<Map<P, K, B>, Error<Map<P0, K0, B0>>>
    where
        B: Backing<K>,
    {
        let new = match self
            .prepare(perms.flags())
            .and_then(|prepared| self.map(prepared))
        {
            Ok(new) => new,
            Err(cause) => return Err(Error::with_map(cause, self.place.old)),
        };
        if !self.place.old.is_empty() {
            // A move without room among the mappings would lose the old pages.
            if let Err(errno) = room() {
                let (address, len) = self.place.old.pages();
                let cause = Cause::kernel(Operation::Mremap, errno, [len, address]);
                return Err(Error::with_map(cause, self.place.old));
            }
        }
        let (_, old) = self.place.old.into_region();
        let region = if old.len() == 0 {
            new
        } else {
            let (address, len) = old.pages();
            Region::replace(old, new).map_err(|errno| {
                let figures = [len, address];
                Error::lost(Cause {
                    operation: Operation::Mremap,
                    reason: Reason::RangeLost,
                    errno,
                    figures,
                })
            })?
        };
        // SAFETY: the region was just mapped with the flags of `perms`, of kind `K`, from the origin that `B` names
        // (`prepare`), and moved whole.
        Ok(unsafe { Map::from_region(perms, region) })
    }

    /// Maps in a free place what can be moved over the old map.
    fn map(&self, prepared: Prepared<'_>) -> Result<Region, Cause> {
        let old = self.place.old.region();
        let secret = prepared.secret()?;
        let prepared = prepared.behind(secret.as_ref());
        let Prepared {
            layout,
            page_shift,
            prot,
            flags,
            behind,
            ..
        } = prepared;
        let Some(layout) = layout else {
            return Ok(Region::empty(page_shift).asked_with(flags, prepared.is_special()));
        };
        if page_shift != old.page_shift() {
            return Err(self.refused(Reason::OtherPages));
        }
        if layout.head() != old.head() {
            return Err(self.refused(Reason::OtherHead));
        }
        if !old.pages().0.is_multiple_of(prepared.align) {
            return Err(self.refused(Reason::Unaligned));
        }
        if !prepared.reach.holds(old.pages()) {
            return Err(self.refused(Reason::OutOfReach));
        }
        let new = finish(
            &prepared,
            Region::map(layout, 0, prot, flags, behind),
            [layout.len(), 0],
        )?;
        if new.is_huge() {
            new.moved_once()
                .map_err(|_| self.refused(Reason::HugeStays))
        } else {
            Ok(new)
        }
    }
}

/// Maps between two guards, where transparent huge pages fit if there is room for one.
#[cold]
fn map_guarded(
    prepared: &Prepared<'_>,
    layout: Layout,
    hint: usize,
    exactly: bool,
) -> Result<Region, Errno> {
    // As many bytes as one page of the page tables maps, on all architectures of 64 bits.
    let natural = (1 << page_shift()) * (1 << page_shift() >> 3);
    let offset = prepared.behind.map_or(0, |(_, offset)| offset as usize) & (natural - 1);
    let asked = prepared.align.max(1 << layout.page_shift());
    let (align, remainder) =
        if layout.len() >= natural && asked < natural && offset.is_multiple_of(asked) {
            (natural, offset)
        } else {
            (asked, 0)
        };
    let spot = Spot {
        hint,
        exactly,
        align,
        remainder,
        reach: prepared.reach,
    };
    // A child gets the guards of the same mapping as they are, unless it gets zeros. Locked pages are no guards.
    let apart = MapFlags::SHARED
        .union(MapFlags::DROPPABLE)
        .union(MapFlags::POPULATE)
        .union(MapFlags::LOCKED)
        .union(MapFlags::HUGETLB);
    let in_mapping = !prepared.flags.intersects(apart) && prepared.fork != Some(Fork::Zeros);
    Region::map_guarded(
        layout,
        &spot,
        prepared.prot,
        prepared.flags,
        prepared.behind,
        in_mapping,
    )
}

/// The address of the first whole page, if the first asked byte can be at `address`.
fn first_page<K: Kind, B, A>(
    request: &Builder<'_, K, B, A>,
    layout: Layout,
    address: usize,
    prepared: &Prepared<'_>,
) -> Result<usize, Cause> {
    let mask = (1 << layout.page_shift()) - 1;
    if address & mask != layout.head() {
        return Err(request.refused(Reason::Misplaced));
    }
    match address & !mask {
        start if !start.is_multiple_of(prepared.align) => Err(request.refused(Reason::Unaligned)),
        start if !prepared.reach.holds((start, layout.len())) => {
            Err(request.refused(Reason::OutOfReach))
        }
        0 => Err(request.refused(Reason::AddressZero)),
        start => Ok(start),
    }
}

/// What is left to do once the kernel has answered.
pub(crate) fn finish(
    prepared: &Prepared<'_>,
    mapped: Result<Region, Errno>,
    figures: [usize; 2],
) -> Result<Region, Cause> {
    let &Prepared {
        flags,
        page_shift,
        reach,
        ..
    } = prepared;
    // By value, so that the request need not be in memory where nothing fails.
    let mut region = mapped.map_err(|errno| unmapped(flags, page_shift, reach, errno, figures))?;
    if let Some(fork) = prepared.fork {
        let advice = match fork {
            Fork::Nothing => Advice::DONTFORK,
            Fork::Zeros => Advice::WIPEONFORK,
        };
        let (address, len) = region.pages();
        // SAFETY: what a forked child gets changes nothing here.
        unsafe { region.advise(0..region.len(), advice) }
            .map_err(|errno| Cause::kernel(Operation::Madvise, errno, [len, address]))?;
    }
    if prepared.is_special() {
        region = region.asked_with(prepared.flags, true);
    }
    if let Some(name) = prepared.name.and_then(Name::new) {
        // Best effort: many kernels have no names.
        let _ = region.name(&name);
    }
    if prepared.fill {
        fill(prepared, &region)?;
    }
    match prepared.populate {
        Some(prot) => populate(region, prot),
        None => Ok(region),
    }
}

/// Brings all pages in.
#[cold]
fn populate(region: Region, prot: ProtFlags) -> Result<Region, Cause> {
    match region.populate(prot) {
        Ok(()) => Ok(region),
        Err(errno) => Err(unpopulated(&region, errno)),
    }
}

/// What the kernel says when it does not bring in all pages.
#[cold]
pub(crate) fn unpopulated(region: &Region, errno: Errno) -> Cause {
    let operation = if region.is_huge() {
        Operation::PopulateHuge
    } else {
        Operation::Populate
    };
    let (address, len) = region.pages();
    Cause::kernel(operation, errno, [len, address])
}

/// Why the kernel did not map, as far as what was asked for tells.
#[cold]
fn unmapped(flags: MapFlags, shift: u8, reach: Reach, errno: Errno, figures: [usize; 2]) -> Cause {
    let reason = match (errno, reach) {
        (Errno::INVAL | Errno::OPNOTSUPP, _) if flags.contains(MapFlags::DROPPABLE) => {
            Reason::NoDroppable
        }
        (Errno::OPNOTSUPP, _) if SYNCHRONOUS.is_some_and(|all| flags.contains(all)) => {
            Reason::NoDirectAccess
        }
        _ if shift != page_shift() => {
            let figures = [figures[0], shift.into()];
            return Cause::kernel(Operation::MmapHuge, errno, figures);
        }
        (Errno::NOMEM, Reach::Below2Gib) => Reason::NoRoomBelow,
        (Errno::NOMEM, Reach::Above47Bits) => Reason::NoRoomAbove,
        _ => Reason::Kernel,
    };
    Cause {
        operation: Operation::Mmap,
        reason,
        errno,
        figures,
    }
}

/// Reads all pages of a new map once, so that none of them is a hole; then takes the permission to read away if it was not asked
/// for.
#[cold]
fn fill(prepared: &Prepared<'_>, region: &Region) -> Result<(), Cause> {
    let (address, len) = region.pages();
    if prepared.secret {
        region
            .touch_each_page()
            .map_err(|errno| Cause::kernel(Operation::TouchSecret, errno, [len, address]))?;
    } else {
        region
            .populate(ProtFlags::READ)
            .map_err(|errno| unpopulated(region, errno))?;
    }
    if prepared.asked == prepared.prot {
        return Ok(());
    }
    // SAFETY: the region is new, so nobody borrows from it, and its permissions are not said anywhere yet.
    unsafe { region.protect(prepared.asked) }
        .map_err(|errno| Cause::kernel(Operation::Mprotect, errno, [len, address]))
}
