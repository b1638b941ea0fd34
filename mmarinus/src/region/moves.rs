//! Moving pages: over others, to another address, into another length, out of a region and together. All by `mremap`.
#![expect(unsafe_code, reason = "moves mapped pages")]

use core::mem::ManuallyDrop;
use core::ops::Range;
use core::ptr::NonNull;

use mmarinus_sys::{self as sys, Advice, Errno, MapFlags, ProtFlags, RemapFlags};

use super::merging::Merging;
use super::{Properties, Region, Traits};
use crate::layout::{Layout, page_shift};

/// Where pages may go that have no room behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Nowhere: the region stays where it is.
    Here,
    /// Anywhere.
    Anywhere,
}

/// What is behind a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// Room that the kernel gives.
    Free,
    /// A mapping.
    Taken,
    /// No mapping, but no room either: the gap below the stack, or the end of the address space.
    Gap,
}

impl Region {
    /// A region at a new place, of the same page size and with the same behind it as `like`.
    ///
    /// # Safety
    ///
    /// The whole pages around the bytes are mapped, as one mapping, and nobody else owns them.
    #[inline]
    unsafe fn at(ptr: NonNull<u8>, len: usize, like: &Self) -> Self {
        let region = Self {
            ptr,
            len,
            properties: like.properties.of_moved_pages(),
        };
        region.looked_at()
    }

    /// Moves the pages of `new` to where those of `old` are, which are gone then.
    ///
    /// After an error the pages of `old` may be mapped or not; so they are forgotten, since another thread may own the range by
    /// now. The pages of `new` are unmapped.
    ///
    /// Both have pages of the same length, which is not 0, and those of `new` may lie where those of `old` do; else the answer is
    /// `EINVAL` and both are dropped.
    pub(crate) fn replace(old: Self, new: Self) -> Result<Self, Errno> {
        let ((from, len), (to, old_len)) = (new.raw_pages(), old.raw_pages());
        if len != old_len || len == 0 || !to.addr().is_multiple_of(new.page_size()) {
            return Err(Errno::INVAL);
        }
        // SAFETY: the pages are owned by `new`.
        let merging = unsafe { Merging::end(from, len, new.properties.is_mergeable()) }?;
        // Guards stay around the new pages. After an error they are unmapped.
        let (before, _forgotten, after) = old.guards_alone();
        // What was in the old pages is given back now: should the move fail before it unmaps them, they stay for ever.
        // SAFETY: the pages are owned by `old`, which came by value: nobody borrows from them, and nobody reads them again.
        // A refusal, as for locked pages, changes nothing.
        let _ = unsafe { sys::madvise(to, len, Advice::DONTNEED) };
        // SAFETY:
        // - The source is owned by `new`, which came by value: nobody borrows from it.
        // - The target is owned by `old`, which came by value as well, and is never unmapped by it again.
        let start = unsafe { sys::mremap_fixed(from, len, len, RemapFlags::MAYMOVE, to) }?;
        // SAFETY: these are the pages of `new`, which nobody else owns.
        unsafe { merging.go_on(start.as_ptr(), len) };
        let new = ManuallyDrop::new(new);
        // SAFETY: the head is less than a page, and the pages are now mapped at `start`.
        let ptr = unsafe { start.cast::<u8>().add(new.head()) };
        // SAFETY: they were all the pages of `new`, which is not dropped.
        let moved = unsafe { Self::at(ptr, new.len, &new) };
        if new.properties.is_locked() {
            moved.properties.set_locked();
        }
        Ok(moved.between(before, after))
    }

    /// Unmaps the pages, or gives the region back with the reason why the kernel keeps them.
    pub(crate) fn emptied(self) -> Result<Self, (Self, Errno)> {
        let nothing = self.nothing();
        self.unmap().map(|()| nothing)
    }

    /// A region without bytes, of which is known what is left to know of this one once its pages are unmapped.
    pub(crate) fn nothing(&self) -> Self {
        let mut empty = Self::empty(self.page_shift());
        empty.properties = self.properties.of_no_pages();
        empty
    }

    /// Grows or shrinks to another length at the same head. A failure changes nothing. Neither is empty.
    pub(crate) fn resize(self, layout: Layout, room: Room) -> Result<Self, (Self, Errno)> {
        debug_assert_eq!(layout.head(), self.head());
        let (start, len) = self.raw_pages();
        let flags = match room {
            Room::Here => RemapFlags::empty(),
            Room::Anywhere => RemapFlags::MAYMOVE,
        };
        let mut blocker = None;
        if layout.len() > len {
            match self.behind(layout.len() - len) {
                Behind::Free => {}
                Behind::Taken if room == Room::Anywhere => {}
                Behind::Gap if room == Room::Anywhere => match self.block_behind() {
                    Ok(page) => blocker = page,
                    Err(errno) => return Err((self, errno)),
                },
                Behind::Taken | Behind::Gap => return Err((self, Errno::NOMEM)),
            }
        }
        let mut old = ManuallyDrop::new(self);
        let start = if layout.len() == len {
            old.ptr
        } else {
            // SAFETY: the pages are owned by `old`, which came by value: nobody borrows from them.
            match unsafe { sys::mremap(start, len, layout.len(), flags) } {
                // SAFETY: the head is less than a page, and the pages are now mapped at `start`.
                Ok(start) => unsafe { start.cast::<u8>().add(layout.head()) },
                Err(errno) => return Err((ManuallyDrop::into_inner(old), errno)),
            }
        };
        drop(blocker);
        // The invariants hold again: these are all the pages, wherever they are now.
        if layout.len() != len {
            old.properties.set(Traits::CUT, true);
        }
        old.ptr = start;
        old.len = layout.size();
        Ok(ManuallyDrop::into_inner(old))
    }

    /// What is behind the last page, for `more` bytes.
    ///
    /// `mremap` grows a mapping up to the main thread's stack, which then grows into the map without a fault. A hint keeps the
    /// kernel's gap to the stack: so where a hint is taken, there is room.
    fn behind(&self, more: usize) -> Behind {
        let (start, len) = self.raw_pages();
        let end = start.wrapping_byte_add(len);
        let probe =
            Layout::new(0, more, self.page_shift()).map(|more| Self::reserve(more, end.addr()));
        match probe {
            Some(Ok(probe)) if probe.pages().0 == end.addr() => Behind::Free,
            // A page that is mapped there makes the kernel move the mapping.
            _ if sys::mincore(end, 1, &mut [0]).is_ok() => Behind::Taken,
            _ => Behind::Gap,
        }
    }

    /// Takes the page right behind the region, so that the kernel moves the mapping instead of growing it there.
    #[cold]
    fn block_behind(&self) -> Result<Option<Self>, Errno> {
        let (start, len) = self.raw_pages();
        let page = Layout::new(0, 1, page_shift()).ok_or(Errno::NOMEM)?;
        let end = start.addr().wrapping_add(len);
        let flags = MapFlags::PRIVATE
            .union(MapFlags::NORESERVE)
            .union(MapFlags::FIXED_NOREPLACE);
        // SAFETY: `MAP_FIXED_NOREPLACE` takes addresses that are free.
        match unsafe { Self::map_any(page, end, ProtFlags::empty(), flags, None) } {
            Ok(blocker) => Ok(Some(blocker)),
            // Somebody else has it by now.
            Err(Errno::EXIST) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Whether the pages can be moved whole: huge ones only as long as they are one mapping, and since Linux 5.16.
    pub(crate) fn is_movable(&self) -> bool {
        !(self.is_huge() && self.properties.has(Traits::CUT))
    }

    /// Moves huge pages, which nobody else has yet, to any other place, to see whether the kernel does that; for an `mremap` that
    /// it refuses unmaps its target.
    pub(crate) fn moved_once(self) -> Result<Self, Errno> {
        let (_, len) = self.raw_pages();
        let layout = Layout::new(0, len, self.page_shift()).ok_or(Errno::INVAL)?;
        let place = Self::reserve_aligned(layout, self.page_size())?;
        Self::replace(place, self)
    }

    /// Moves the pages to a free place whose first whole page starts at `address`. A failure leaves them where they are.
    pub(crate) fn move_to(self, address: usize) -> Result<Self, (Self, Errno)> {
        let Some(layout) = Layout::new(self.head(), self.len, self.page_shift()) else {
            return Ok(self); // It has no pages.
        };
        // Since Linux 6.17 a move of several mappings can stop half way.
        if !self.is_whole() {
            return Err((self, Errno::FAULT));
        }
        let (before, reservation, after) = match self.reserve_around(layout, address) {
            Ok((before, body, after)) => (before, ManuallyDrop::new(body), after),
            Err(errno) => return Err((self, errno)),
        };
        let ((from, len), (to, _)) = (self.raw_pages(), reservation.raw_pages());
        // SAFETY: the pages are owned by `self`.
        let merging = match unsafe { Merging::end(from, len, self.properties.is_mergeable()) } {
            Ok(merging) => merging,
            Err(errno) => {
                drop(ManuallyDrop::into_inner(reservation));
                return Err((self, errno));
            }
        };
        // SAFETY:
        // - The source is owned by `self`, which came by value: nobody borrows from it.
        // - The target is owned by the reservation, which is never dropped: after a failure it may be gone.
        match unsafe { sys::mremap_fixed(from, len, len, RemapFlags::MAYMOVE, to) } {
            Err(errno) => {
                // SAFETY: as above; the pages stay.
                unsafe { merging.go_on(from, len) };
                Err((self, errno))
            }
            Ok(start) => {
                // SAFETY: these are the pages of `self`, which nobody else owns.
                unsafe { merging.go_on(start.as_ptr(), len) };
                // The old guards are unmapped; the ends of the reservation are the new ones.
                let (_before, mut old, _after) = self.guards_alone();
                // SAFETY: the head is less than a page, and the pages are now mapped at `start`.
                old.ptr = unsafe { start.cast::<u8>().add(layout.head()) };
                Ok(ManuallyDrop::into_inner(old).between(before, after))
            }
        }
    }

    /// Moves pages out, the bytes of `range`, and leaves empty ones in their place: `MREMAP_DONTUNMAP`. A failure moves
    /// nothing, but may have unlocked the pages.
    ///
    /// The range lies in the region, is not empty, and starts and ends where pages do, or where the region does.
    pub(crate) fn take(&mut self, range: Range<usize>) -> Result<Self, Errno> {
        if !self.is_whole() {
            return Err(Errno::FAULT);
        }
        let part = self.part(range.clone());
        let (start, len) = part.raw_pages();
        if self.properties.is_locked() {
            // The kernel takes the lock from the whole mapping that the pages are part of, others' pages included. Unlocked
            // first, the pages are a mapping of their own.
            self.unlock(range)?;
        }
        let flags = RemapFlags::MAYMOVE.union(RemapFlags::DONTUNMAP);
        // SAFETY: the pages are owned, and the region is borrowed mutably: nobody else borrows from them.
        let start = unsafe { sys::mremap(start, len, len, flags) }?;
        // SAFETY: the head is less than a page, and the pages are now mapped at `start`.
        let ptr = unsafe { start.cast::<u8>().add(part.head()) };
        // SAFETY: the kernel has just made this mapping of the part's pages, and nobody else knows it.
        Ok(unsafe { Self::at(ptr, part.len, self) })
    }

    /// Bytes of the region as one of their own, which is never dropped.
    fn part(&self, range: Range<usize>) -> ManuallyDrop<Self> {
        let ptr = self.ptr.as_ptr().wrapping_add(range.start);
        ManuallyDrop::new(Self {
            ptr: NonNull::new(ptr).unwrap_or(self.ptr),
            len: range.len(),
            properties: self.properties.of_moved_pages(),
        })
    }

    /// Maps the same pages of a shared object once more, elsewhere: `mremap` with an old size of 0.
    pub(crate) fn duplicate(&self) -> Result<Self, Errno> {
        let (start, len) = self.raw_pages();
        if len == 0 {
            return Ok(Self::empty(self.page_shift()));
        }
        // The kernel maps what follows the first page in its object, which is the same only within one mapping.
        if !self.is_whole() {
            return Err(Errno::FAULT);
        }
        // SAFETY: the pages are owned, and stay. That they are then at two addresses is the caller's to know.
        let start = unsafe { sys::mremap(start, 0, len, RemapFlags::MAYMOVE) }?;
        // SAFETY: the head is less than a page, and the pages are now mapped at `start` as well.
        let ptr = unsafe { start.cast::<u8>().add(self.head()) };
        // SAFETY: the kernel has just made this mapping, and nobody else knows it.
        let mut second = unsafe { Self::at(ptr, self.len, self) };
        second.properties.copy_width(&self.properties);
        Ok(second)
    }

    /// Makes one region of two, if the second starts right where the first ends, in pages and in bytes, and both fit together.
    pub(crate) fn join(self, second: Self) -> Result<Self, (Self, Self)> {
        let len = self
            .len
            .checked_add(second.len)
            .filter(|&len| len == 0 || Layout::new(self.head(), len, self.page_shift()).is_some());
        let properties = Properties::of_both(&self.properties, &second.properties);
        let neighbours = self.ptr.addr().get().wrapping_add(self.len) == second.ptr.addr().get();
        match (len, properties) {
            (Some(_), Some(properties)) if neighbours && second.head() == 0 => {
                if second.len == 0 {
                    return Ok(self);
                }
                if self.len == 0 {
                    return Ok(second);
                }
                let (first, second) = (ManuallyDrop::new(self), ManuallyDrop::new(second));
                Ok(Self {
                    ptr: as_one(first.ptr),
                    len: first.len + second.len,
                    properties,
                })
            }
            _ => Err((self, second)),
        }
    }
}

/// The same address as a pointer to all that is mapped from there on: the halves' own pointers end where the halves do.
#[inline]
pub(super) fn as_one(ptr: NonNull<u8>) -> NonNull<u8> {
    #[allow(unused_mut, reason = "changed by the assembly, where there is some")]
    let mut whole = ptr.as_ptr();
    #[cfg(all(
        not(miri),
        any(
            target_arch = "aarch64",
            target_arch = "arm",
            target_arch = "loongarch64",
            target_arch = "riscv32",
            target_arch = "riscv64",
            target_arch = "x86",
            target_arch = "x86_64"
        )
    ))]
    // SAFETY: no instruction, so nothing is touched. For the compiler, whatever makes one object of what two calls mapped is done
    // here.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) whole, options(nostack, preserves_flags));
    }
    NonNull::new(core::hint::black_box(whole)).unwrap_or(ptr)
}
