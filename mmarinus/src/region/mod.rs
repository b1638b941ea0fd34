//! The one owner of mapped pages: pointer, length, page size. It alone unmaps; only this folder changes what is mapped.
#![expect(
    unsafe_code,
    reason = "owns mapped pages, and is the only place that maps and unmaps them"
)]

mod gate;
mod guards;
mod merging;
mod mirror;
mod moves;
mod place;
mod properties;
mod ranges;
mod room;
mod space;

use core::ffi::c_void;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};

use mmarinus_sys::{self as sys, Advice, Errno, IoVec, MapFlags, ProtFlags};
use rustix::fd::BorrowedFd;

use crate::error::{Cause, Operation};
use crate::extent::Extent;
use crate::layout::{Layout, page_shift};

pub(crate) use guards::Spot;
pub(crate) use merging::of_process as merge_process;
pub(crate) use moves::Room;
pub(crate) use place::Reach;
use properties::{Known, Properties, Traits};
pub(crate) use room::room;
pub(crate) use space::{Placed, Space, Uncopied, Writer};

/// Mapped pages, and the bytes in them that were asked for.
///
/// # Invariants
///
/// - If `len` is 0 the region owns nothing, has no guard, and `ptr` is dangling.
/// - Else the whole pages around `ptr .. ptr + len` are mapped, are at most `isize::MAX` bytes, do not contain address 0, and are
///   owned: nobody but this region unmaps, moves or reprotects them.
/// - What [`Properties`] says of the pages is true.
#[derive(Debug)]
pub(crate) struct Region {
    ptr: NonNull<u8>,
    len: usize,
    properties: Properties,
}

// SAFETY: pages belong to the process, not to a thread; any thread may unmap them.
unsafe impl Send for Region {}

// SAFETY: through a shared reference only atomics change.
unsafe impl Sync for Region {}

/// Where the pages of a new map come from: nowhere, or the file at an offset that is a multiple of the page size.
pub(crate) type Behind<'fd> = Option<(BorrowedFd<'fd>, u64)>;

/// The flags that new pages of a map would have to be made with as well.
const SPECIAL: MapFlags = MapFlags::LOCKED
    .union(MapFlags::NORESERVE)
    .union(MapFlags::STACK);

/// The flags of a shared map of a file whose pages have their place on the storage, where the architecture has such.
#[cfg(not(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6"
)))]
pub(crate) const SYNCHRONOUS: Option<MapFlags> =
    Some(MapFlags::SHARED_VALIDATE.union(MapFlags::SYNC));
#[cfg(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6"
))]
pub(crate) const SYNCHRONOUS: Option<MapFlags> = None;

impl Region {
    /// A region without bytes, at a dangling address that is aligned to its page size. Makes no system call.
    #[inline]
    pub(crate) fn empty(page_shift: u8) -> Self {
        let page = NonNull::new(ptr::without_provenance_mut(1 << page_shift))
            .unwrap_or(NonNull::dangling());
        Self {
            ptr: page,
            len: 0,
            properties: Properties::new(page_shift, Traits::empty(), Known::OfNewPages),
        }
    }

    /// Maps new pages where the kernel likes, near `hint` if that is free. The hint is for the first whole page; 0 is none.
    #[inline(always)]
    pub(crate) fn map(
        layout: Layout,
        hint: usize,
        prot: ProtFlags,
        flags: MapFlags,
        behind: Behind<'_>,
    ) -> Result<Self, Errno> {
        debug_assert!(!flags.intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE));
        let flags = flags.difference(MapFlags::FIXED);
        // SAFETY: without `MAP_FIXED` the kernel takes addresses that are free.
        unsafe { Self::map_any(layout, hint, prot, flags, behind) }
    }

    /// Maps `size` bytes, which start where a page does, in new ordinary pages; where the kernel likes, near `hint`.
    ///
    /// `kind` is a kind of map and nothing else, the offset is a multiple of the page size, and `size` is not 0 and at most
    /// half of `isize::MAX`.
    #[inline(always)]
    pub(crate) fn map_plain(
        size: usize,
        hint: usize,
        prot: ProtFlags,
        kind: MapFlags,
        (fd, offset): (BorrowedFd<'_>, u64),
    ) -> Result<Self, Cause> {
        let wish = ptr::without_provenance_mut(hint);
        // SAFETY: without `MAP_FIXED` the kernel takes addresses that are free.
        let mapped = unsafe { sys::mmap(wish, size, prot, kind, fd, offset) };
        // Made of numbers: a `Result` of a region would be in memory.
        match mapped {
            Ok(start) => Ok(Self::new_plain(start, size, Traits::PLAIN)),
            Err(errno) => Err(not_mapped(errno, size, hint)),
        }
    }

    /// The same in memory of no file.
    #[inline(always)]
    pub(crate) fn map_plain_anonymous(
        size: usize,
        hint: usize,
        prot: ProtFlags,
        kind: MapFlags,
    ) -> Result<Self, Cause> {
        let wish = ptr::without_provenance_mut(hint);
        // SAFETY: without `MAP_FIXED` the kernel takes addresses that are free.
        match unsafe { sys::mmap_anonymous(wish, size, prot, kind) } {
            Ok(start) => Ok(Self::new_plain(
                start,
                size,
                Traits::PLAIN.union(Traits::ANONYMOUS),
            )),
            Err(errno) => Err(not_mapped(errno, size, hint)),
        }
    }

    /// The region of pages that were just mapped, and that are plain.
    #[inline(always)]
    fn new_plain(start: NonNull<c_void>, size: usize, traits: Traits) -> Self {
        debug_assert!(size.wrapping_sub(1) < isize::MAX as usize / 2);
        Self {
            ptr: start.cast(),
            len: size,
            properties: Properties::new(page_shift(), traits, Known::OfNewPages),
        }
    }

    /// Maps new pages at `address`, the multiple of the page size at which the first whole page starts, if all of it is free.
    ///
    /// The address is a hint, and the answer is checked: `MAP_FIXED_NOREPLACE` would map directly below the main thread's
    /// stack, which then grows into the map without a fault. A hint keeps the kernel's gap to the stack.
    #[inline]
    pub(crate) fn map_at(
        layout: Layout,
        address: usize,
        prot: ProtFlags,
        flags: MapFlags,
        behind: Behind<'_>,
    ) -> Result<Self, Errno> {
        // Pages that would be brought in, and thrown away if they are in the wrong place, are made after the place is ours.
        if !flags.intersects(MapFlags::POPULATE.union(MapFlags::LOCKED)) {
            let region = Self::map(layout, address, prot, flags, behind)?;
            if region.pages().0 == address {
                return Ok(region);
            }
            if behind.is_none() && !flags.contains(MapFlags::HUGETLB) {
                return Err(Errno::EXIST);
            }
        }
        Self::map_over_reservation(layout, address, prot, flags, behind)
    }

    /// As [`map_at`](Self::map_at), by a reservation first and the pages moved over it. For large pages of files the kernel
    /// takes a hint only if more is free than is asked for; for anonymous memory it takes it as it is.
    #[cold]
    fn map_over_reservation(
        layout: Layout,
        address: usize,
        prot: ProtFlags,
        flags: MapFlags,
        behind: Behind<'_>,
    ) -> Result<Self, Errno> {
        let reservation = Self::reserve(layout, address)?;
        if reservation.pages().0 != address {
            return Err(Errno::EXIST);
        }
        let new = Self::map(layout, 0, prot, flags, behind)?;
        Self::replace(reservation, new)
    }

    /// Maps new pages whose first whole page starts at a multiple of `align`, a power of two larger than the page size; near
    /// `hint` if that is so.
    #[cold]
    pub(crate) fn map_aligned(
        layout: Layout,
        hint: usize,
        align: usize,
        prot: ProtFlags,
        flags: MapFlags,
        behind: Behind<'_>,
    ) -> Result<Self, Errno> {
        // First as the kernel likes, then just below that. Pages that would be brought in are not made in vain.
        let mut hint = hint;
        for _ in 0..2 {
            if flags.intersects(MapFlags::POPULATE.union(MapFlags::LOCKED)) {
                break;
            }
            let region = Self::map(layout, hint, prot, flags, behind)?;
            let (start, _) = region.pages();
            if start.is_multiple_of(align) {
                return Ok(region);
            }
            hint = start & !(align - 1);
        }
        // A reservation in which the place surely is, cut down to it.
        let place = Self::reserve_aligned(layout, align)?;
        let new = Self::map(layout, 0, prot, flags, behind)?;
        Self::replace(place, new)
    }

    /// Takes the addresses of whole pages, which start at a multiple of `align`, a power of two.
    fn reserve_aligned(layout: Layout, align: usize) -> Result<Self, Errno> {
        let spare = align.saturating_sub(1 << page_shift());
        let size = layout.len().checked_add(spare).ok_or(Errno::NOMEM)?;
        let whole = Layout::new(0, size, page_shift()).ok_or(Errno::NOMEM)?;
        let reservation = Self::reserve(whole, 0)?;
        let before = reservation.pages().0.wrapping_neg() & (align - 1);
        let (_, rest) = reservation.split(before).map_err(|_| Errno::INVAL)?;
        let (place, _) = rest.split(layout.len()).map_err(|_| Errno::INVAL)?;
        Ok(place)
    }

    /// Takes the addresses of whole pages: ordinary ones that nobody may touch, near `hint` if that is free; 0 is none.
    pub(crate) fn reserve(layout: Layout, hint: usize) -> Result<Self, Errno> {
        let layout = layout.in_ordinary_pages().ok_or(Errno::NOMEM)?;
        let nothing = MapFlags::PRIVATE.union(MapFlags::NORESERVE);
        Self::map(layout, hint, ProtFlags::empty(), nothing, None)
    }

    /// Maps new pages over whatever is at `address`, a multiple of the page size.
    ///
    /// # Safety
    ///
    /// The pages of `layout` at `address` are the caller's, nobody borrows from them, and no other owner is left. After an error
    /// they may be mapped or not.
    #[inline]
    pub(crate) unsafe fn map_onto(
        layout: Layout,
        address: usize,
        prot: ProtFlags,
        flags: MapFlags,
        behind: Behind<'_>,
    ) -> Result<Self, Errno> {
        // SAFETY: the caller gives the range away.
        unsafe { Self::map_any(layout, address, prot, flags.union(MapFlags::FIXED), behind) }
    }

    /// Maps new pages.
    ///
    /// # Safety
    ///
    /// With `MAP_FIXED` in `flags`: as for [`map_onto`](Self::map_onto).
    #[inline(always)]
    unsafe fn map_any(
        layout: Layout,
        address: usize,
        prot: ProtFlags,
        flags: MapFlags,
        behind: Behind<'_>,
    ) -> Result<Self, Errno> {
        let (address, len) = (ptr::without_provenance_mut(address), layout.len());
        let start = match behind {
            // SAFETY: only with `MAP_FIXED` is anything replaced, and then the caller gave the range away.
            None => unsafe { sys::mmap_anonymous(address, len, prot, flags) },
            // SAFETY: as above.
            Some((fd, offset)) => unsafe { sys::mmap(address, len, prot, flags, fd, offset) },
        }?;
        // SAFETY: `head` is less than a page (`Layout`), and the kernel has just mapped at least one page at `start`.
        let ptr = unsafe { start.cast::<u8>().add(layout.head()) };
        let mut traits = Traits::empty();
        traits.set(Traits::ANONYMOUS, behind.is_none());
        traits.set(Traits::SPECIAL, flags.intersects(SPECIAL));
        let synchronous = SYNCHRONOUS.is_some_and(|wanted| flags.contains(wanted));
        traits.set(Traits::SYNCHRONOUS, synchronous);
        let properties = Properties::new(layout.page_shift(), traits, Known::OfNewPages);
        if flags.contains(MapFlags::LOCKED) {
            properties.set_locked();
        }
        let region = Self {
            ptr,
            len: layout.size(),
            properties,
        };
        Ok(region.looked_at())
    }

    /// The same region, which knows whether it is [plain](Traits::PLAIN).
    #[inline]
    pub(super) fn looked_at(mut self) -> Self {
        let ordinary = self.properties.page_shift() == page_shift() && !self.is_guarded();
        let is_plain = ordinary && self.len != 0 && self.head() == 0;
        self.properties.set(Traits::PLAIN, is_plain);
        self
    }

    /// What the system calls take for all pages, if the region is plain: they round the length up to whole pages themselves.
    #[inline(always)]
    pub(super) fn plain(&self) -> Option<(*mut c_void, usize)> {
        debug_assert!(
            !self.is_plain()
                || self.head() == 0 && self.len != 0 && !self.is_huge() && !self.is_guarded()
        );
        self.properties
            .has(Traits::PLAIN)
            .then_some((self.ptr.as_ptr().cast(), self.len))
    }

    /// The first asked byte.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// Bytes asked for.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The same region, whose length in bytes is this one.
    #[inline(always)]
    pub(crate) fn of_len(mut self, len: usize) -> Self {
        debug_assert_eq!(self.len, len);
        self.len = len;
        self
    }

    /// A region of pages that something else owned.
    ///
    /// # Safety
    ///
    /// The invariants of a region hold; but nothing is assumed of how many mappings the kernel holds the pages as.
    #[inline]
    pub(crate) unsafe fn from_raw(ptr: NonNull<u8>, len: usize, page_shift: u8) -> Self {
        let region = Self {
            ptr,
            len,
            properties: Properties::new(
                page_shift,
                Traits::SPECIAL | Traits::CUT,
                Known::OfNothing,
            ),
        };
        region.looked_at()
    }

    /// The page size in bytes.
    #[inline]
    pub(crate) fn page_size(&self) -> usize {
        1 << self.properties.page_shift()
    }

    /// The log2 of the page size in bytes.
    #[inline]
    pub(crate) fn page_shift(&self) -> u8 {
        self.properties.page_shift()
    }

    /// Whether the pages are huge: the kernel never takes them back, and gives no more than it has.
    #[inline]
    pub(crate) fn is_huge(&self) -> bool {
        self.page_shift() != page_shift()
    }

    /// Whether the region is [plain](Traits::PLAIN). What is not may be so as well.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.properties.has(Traits::PLAIN)
    }

    /// Bytes before the first asked byte, in its page.
    #[inline]
    pub(crate) fn head(&self) -> usize {
        self.ptr.addr().get() & (self.page_size() - 1)
    }

    /// The address and the length in bytes of the whole pages; the length is 0 for an empty region.
    #[inline]
    pub(crate) fn pages(&self) -> (usize, usize) {
        let mask = self.page_size() - 1;
        let start = self.ptr.addr().get() & !mask;
        let len = if self.len == 0 {
            0
        } else {
            (self.head() + self.len + mask) & !mask
        };
        (start, len)
    }

    /// The whole pages as the system calls take them.
    #[inline]
    fn raw_pages(&self) -> (*mut c_void, usize) {
        let (start, len) = self.pages();
        (self.ptr.as_ptr().with_addr(start).cast(), len)
    }

    /// Where the asked bytes are.
    #[inline]
    pub(crate) fn extent(&self) -> Extent {
        let width = self.properties.width();
        let anonymous = self.properties.has(Traits::ANONYMOUS);
        Extent::new(self.ptr, self.len, width, self.page_shift(), anonymous)
    }

    /// Fixes the size in bytes of the atomics of this region, or says which other size was fixed before.
    #[inline]
    pub(crate) fn claim_width(&self, width: u8) -> Result<(), u8> {
        self.properties.claim_width(width)
    }

    /// Whether the kernel surely holds the pages as one mapping, or as part of one.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        self.properties.is_whole()
    }

    /// Whether the region may grow into what lies behind its end.
    #[inline]
    pub(crate) fn grows(&self) -> bool {
        !self.properties.has(Traits::BOUNDED) && !self.is_huge()
    }

    /// Whether what leaves the caches is durable.
    #[inline]
    pub(crate) fn is_synchronous(&self) -> bool {
        self.properties.has(Traits::SYNCHRONOUS)
    }

    /// Whether pages could be made anew as those of this region were.
    #[inline]
    pub(crate) fn is_special(&self) -> bool {
        self.properties.has(Traits::SPECIAL) || self.is_synchronous() || self.properties.is_locked()
    }

    /// The same region, which was asked for with options besides `flags`, or not.
    #[inline]
    pub(crate) fn asked_with(mut self, flags: MapFlags, more: bool) -> Self {
        let special = more || flags.intersects(SPECIAL);
        self.properties.set(Traits::SPECIAL, special);
        self
    }

    /// Remembers that what lies behind the end may be another's.
    #[inline]
    pub(crate) fn never_grow(&mut self) {
        self.properties.set(Traits::BOUNDED, true);
    }

    /// Remembers that the kernel may hold the pages as several mappings.
    #[inline]
    pub(crate) fn in_pieces(&self) {
        self.properties.set_in_pieces();
    }

    /// Cuts the region in two, `offset` bytes after the first asked byte, or gives it back if no page starts there.
    #[inline]
    pub(crate) fn split(self, offset: usize) -> Result<(Self, Self), Self> {
        let mask = (1 << page_shift()) - 1;
        if self.plain().is_none() || offset & mask != 0 || offset.wrapping_sub(1) >= self.len - 1 {
            return self.split_any(offset);
        }
        let mut whole = ManuallyDrop::new(self);
        whole.properties.set(Traits::CUT, true);
        // SAFETY: `offset` is less than `len`, so the pointer stays inside the asked bytes.
        let second = unsafe { whole.ptr.add(offset) };
        // Both keep the invariants, and are plain: neither is empty, and both start where a page does, so each page belongs to
        // one of them. `whole` is not dropped.
        let part = |ptr, len| Self {
            ptr,
            len,
            properties: whole.properties.clone(),
        };
        Ok((part(whole.ptr, offset), part(second, whole.len - offset)))
    }

    /// Cuts any region in two.
    #[inline(never)]
    fn split_any(self, offset: usize) -> Result<(Self, Self), Self> {
        let mask = self.page_size() - 1;
        if offset > self.len || self.ptr.addr().get().wrapping_add(offset) & mask != 0 {
            return Err(self);
        }
        let mut whole = ManuallyDrop::new(self);
        if offset != 0 && offset != whole.len {
            whole.properties.set(Traits::CUT, true);
        }
        // SAFETY: `offset` is at most `len`, so the pointer stays inside the asked bytes or one past them.
        let second = unsafe { whole.ptr.add(offset) };
        // Both keep the invariants: the cut is at a page's start, so each page belongs to one of them, and `whole` is not
        // dropped.
        let part = |ptr, len| Self {
            ptr,
            len,
            properties: whole.properties.clone(),
        };
        let (mut first, mut second) = (part(whole.ptr, offset), part(second, whole.len - offset));
        if whole.is_guarded() {
            Self::cut_guards(&mut first, &mut second);
        }
        Ok((first.looked_at(), second.looked_at()))
    }

    /// Changes the permissions of all pages. After an error some may have changed.
    ///
    /// # Safety
    ///
    /// No borrow of the bytes is alive that needs a permission which `prot` lacks, and whoever remembers the permissions
    /// learns of the change.
    #[inline]
    pub(crate) unsafe fn protect(&self, prot: ProtFlags) -> Result<(), Errno> {
        match self.plain() {
            // SAFETY: the pages are owned (invariant), and the caller vouches for the borrows.
            Some((start, len)) => unsafe { sys::mprotect(start, len, prot.into()) },
            // SAFETY: the caller vouches for the borrows.
            None => unsafe { self.protect_any(prot) },
        }
    }

    /// Changes the permissions of all pages of any region.
    ///
    /// # Safety
    ///
    /// As for [`protect`](Self::protect).
    #[inline(never)]
    unsafe fn protect_any(&self, prot: ProtFlags) -> Result<(), Errno> {
        let (start, len) = self.raw_pages();
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the pages are owned (invariant), and the caller vouches for the borrows.
        unsafe { sys::mprotect(start, len, prot.into()) }
    }

    /// Gives all pages a protection key, and permissions. After an error some may have changed.
    ///
    /// # Safety
    ///
    /// As for [`protect`](Self::protect); and nobody borrows the bytes who has no right to the key.
    pub(crate) unsafe fn protect_by(&self, prot: ProtFlags, key: sys::Pkey) -> Result<(), Errno> {
        let (start, len) = self.raw_pages();
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the pages are owned (invariant), and the caller vouches for the borrows.
        unsafe { sys::pkey_mprotect(start, len, prot.into(), key) }
    }

    /// Brings every page in, for writing where `prot` allows it and else for reading, and sees what fails. Changes no byte.
    pub(crate) fn populate(&self, prot: ProtFlags) -> Result<(), Errno> {
        let (start, len) = self.raw_pages();
        let writes = prot.contains(ProtFlags::WRITE);
        let advice = if writes {
            Advice::POPULATE_WRITE
        } else {
            Advice::POPULATE_READ
        };
        loop {
            // SAFETY: the pages are owned (invariant), and populating changes no byte.
            match unsafe { sys::madvise(start, len, advice) } {
                // Before Linux 5.14 the advice does not exist. To read a huge page of a file makes no copy of it to write to.
                Err(Errno::INVAL)
                    if writes && self.is_huge() && !self.properties.has(Traits::ANONYMOUS) =>
                {
                    return Err(Errno::OPNOTSUPP);
                }
                // So the kernel is made to read one byte of each page.
                Err(Errno::INVAL) => return self.read_each_page(prot),
                // A signal came between two pages.
                Err(Errno::INTR) => {}
                done => return done,
            }
        }
    }

    /// Has the kernel read one byte of each page as a program would, which brings the page in, and sees what fails. It is for
    /// readable pages that the kernel brings in no other way.
    pub(crate) fn touch_each_page(&self) -> Result<(), Errno> {
        /// Pages in one call.
        const BATCH: usize = 64;
        let (start, len) = self.raw_pages();
        let page = self.page_size();
        let mut scratch = [0_u8; BATCH];
        let mut bytes = [const { IoVec::new(ptr::null_mut(), 0) }; BATCH];
        for first in (0..len).step_by(page * BATCH) {
            let count = ((len - first) / page).min(BATCH);
            for (nth, byte) in bytes[..count].iter_mut().enumerate() {
                *byte = IoVec::new(start.wrapping_byte_add(first + nth * page), 1);
            }
            let copies = IoVec::new(scratch.as_mut_ptr().cast(), count);
            // SAFETY:
            // - The local bytes lie in pages of this region, and are only read, by the kernel, which fails where it cannot.
            // - The remote ones are `scratch`, which is exclusively ours and as long.
            let done =
                unsafe { sys::process_vm_writev(sys::gettid(), &bytes[..count], &[copies]) }?;
            if done != count {
                return Err(Errno::FAULT);
            }
        }
        Ok(())
    }

    /// Makes the kernel read one byte of each page.
    ///
    /// Pages that may only be written are not supported so: writing a byte back could undo what another process writes.
    #[cold]
    fn read_each_page(&self, prot: ProtFlags) -> Result<(), Errno> {
        if !prot.contains(ProtFlags::READ) {
            return Err(Errno::OPNOTSUPP);
        }
        let mut byte = [0];
        for offset in (0..self.len)
            .step_by(self.page_size())
            .chain([self.len - 1])
        {
            let one = self.extent().sub(offset, 1).ok_or(Errno::FAULT)?;
            // SAFETY: the byte lies in a page of this region, which is mapped.
            unsafe { crate::copy::kernel::read(&mut byte, one.as_ptr()) }
                .map_err(|stop| stop.errno)?;
        }
        Ok(())
    }

    /// Unmaps the pages, or gives the region back with the reason why the kernel keeps them.
    #[inline]
    pub(crate) fn unmap(self) -> Result<(), (Self, Errno)> {
        let this = ManuallyDrop::new(self);
        let (start, len) = match this.plain() {
            Some(pages) => pages,
            None => this.raw_owned(),
        };
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the pages are owned (invariant), `self` came by value, so nobody borrows from them, and nobody unmaps them
        // again.
        match unsafe { sys::munmap(start, len) } {
            Ok(()) => Ok(()),
            Err(errno) => Err((ManuallyDrop::into_inner(this), errno)),
        }
    }
}

impl Drop for Region {
    #[inline]
    fn drop(&mut self) {
        let Some((start, len)) = self.plain() else {
            // A copy, so that a plain region need not be in memory.
            return Self::drop_any(ManuallyDrop::new(Self {
                properties: self.properties.unseen(),
                ..*self
            }));
        };
        // SAFETY: the pages are owned (invariant), and whatever borrowed from them has ended, since this is `drop`.
        if unsafe { sys::munmap(start, len) }.is_err() {
            abandon(start, len);
        }
    }
}

impl Region {
    /// Unmaps the pages of any region, of which this is a copy, when it is dropped.
    #[inline(never)]
    fn drop_any(this: ManuallyDrop<Self>) {
        let (start, len) = this.raw_owned();
        if len == 0 {
            return;
        }
        // SAFETY: the pages are owned (invariant), and whatever borrowed from them has ended, since only `drop` calls this.
        if unsafe { sys::munmap(start, len) }.is_err() {
            // Guards stay what they are.
            let (start, len) = this.raw_pages();
            abandon(start, len);
        }
    }
}

/// Why the kernel did not map new plain pages.
#[cold]
fn not_mapped(errno: Errno, size: usize, hint: usize) -> Cause {
    let len = size.next_multiple_of(1 << page_shift());
    Cause::kernel(Operation::Mmap, errno, [len, hint])
}

/// Gives back what can be given back of pages that the kernel does not unmap: at `vm.max_map_count` it refuses to unmap the
/// middle of a mapping. The pages are emptied and guarded, which needs no new mapping; the addresses stay taken.
#[cold]
fn abandon(start: *mut c_void, len: usize) {
    for advice in [
        Advice::DONTNEED_LOCKED,
        Advice::DONTNEED,
        Advice::GUARD_INSTALL,
    ] {
        // SAFETY: only called by the owner of the pages when it is dropped: nobody borrows from them and nobody will.
        // A refusal changes nothing: the pages stay as they are, and unreachable.
        let _ = unsafe { sys::madvise(start, len, advice) };
    }
}
