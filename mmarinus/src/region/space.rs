//! The owner of an address range in which pages are placed, replaced and taken away by several threads at once.
//!
//! A call with `MAP_FIXED` or `MREMAP_FIXED` that fails may have unmapped its target, and another thread may map there at once.
//! Nothing that this owner does may then reach what the other one has. So:
//!
//! - What replaces pages is inside alone ([`Gate`]); what only uses them (copies, `mprotect`, guards) is inside beside others. So
//!   nobody uses a range while it may be unmapped.
//! - Before it leaves, a replacement that failed reserves the range anew, which works only if the range is free
//!   (`MAP_FIXED_NOREPLACE`). If that fails as well, the range may be another's: it is remembered as lost, and from then on
//!   nobody uses, replaces or unmaps it.
//! - One replacement is taken to be whole: private inaccessible memory of no file. All that the kernel refuses about it, it
//!   refuses before it unmaps anything; what is left is that the kernel itself runs out of memory.
#![expect(
    unsafe_code,
    reason = "owns mapped pages, and maps, replaces and unmaps parts of them"
)]

use core::ffi::c_void;
use core::mem::ManuallyDrop;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use mmarinus_sys::{self as sys, Advice, Errno, MapFlags, ProtFlags, RemapFlags};
use rustix::fd::BorrowedFd;
use rustix::rand::{GetRandomFlags, getrandom};

use super::gate::Gate;
use super::merging::Merging;
use super::moves::as_one;
use super::room::room;
use super::{Known, Properties, Region, Traits};
use crate::copy::{Stop, kernel};
use crate::error::{Cause, Operation, Reason};
use crate::layout::{Layout, page_shift};

/// A page of a device is, or was, somewhere in the space.
const DEVICE: u8 = 1;
/// The pages may be something else than the one inaccessible mapping that they were at first.
const TOUCHED: u8 = 1 << 1;

/// Private memory of no file without permissions: what a space is made of where nothing is placed.
const NOTHING: MapFlags = MapFlags::PRIVATE;

/// The most bytes that are copied before others get a chance to go in alone.
const AT_ONCE: usize = 1 << 20;

/// How many bytes tell that a page is ours.
const MARK: usize = 16;

/// An address range in whole pages.
///
/// # Invariants
///
/// - If `len` is 0 the space owns nothing. Else `ptr .. ptr + len` are whole pages of the ordinary size, at most `isize::MAX`
///   bytes, without address 0.
/// - But for the bytes `lost[0] .. lost[1]`, all of it is mapped, and owned: nobody but this space unmaps, moves, replaces or
///   reprotects it.
/// - `lost` only changes while somebody is inside alone, or by a mutable reference.
/// - No reference into the pages exists, but those of somebody who took a pointer and answers for it.
#[derive(Debug)]
pub(crate) struct Space {
    ptr: NonNull<u8>,
    len: usize,
    gate: Gate,
    lost: [AtomicUsize; 2],
    traits: AtomicU8,
}

// SAFETY: pages belong to the process, not to a thread; any thread may unmap them.
unsafe impl Send for Space {}

// SAFETY: through a shared reference only atomics change, and pages, which are guarded by `gate`.
unsafe impl Sync for Space {}

/// Who is to write bytes of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Safe code, which does not write pages of devices.
    Safe,
    /// Somebody who knows what the bytes do.
    Knowing,
}

/// A mapping that is to be placed: permissions, flags, and the descriptor with its offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'fd> {
    pub(crate) prot: ProtFlags,
    pub(crate) flags: MapFlags,
    pub(crate) fd: BorrowedFd<'fd>,
    pub(crate) offset: u64,
}

/// A copy that was refused, or that stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uncopied {
    Refused(Reason),
    Stopped(Stop),
}

impl Space {
    /// The space of a region of new inaccessible pages of no file.
    ///
    /// # Safety
    ///
    /// The pages are of the ordinary size, are one mapping, have no permissions, are private and of no file; and the region
    /// starts and ends where its pages do.
    pub(crate) unsafe fn of(region: Region) -> Self {
        let region = ManuallyDrop::new(region);
        debug_assert_eq!(region.pages(), (region.ptr.addr().get(), region.len));
        Self {
            ptr: region.ptr,
            len: region.len,
            gate: Gate::default(),
            lost: Default::default(),
            traits: AtomicU8::new(0),
        }
    }

    /// Replaces the pages of a region, which nobody needs any more, by inaccessible ones. After an error the region is as it was,
    /// or there is none.
    pub(crate) fn instead_of(region: Region) -> Result<Self, (Option<Region>, Errno)> {
        let (start, len) = region.raw_pages();
        let region = ManuallyDrop::new(region);
        let ptr = NonNull::new(start.cast()).unwrap_or(region.ptr);
        if len != 0 {
            // SAFETY: the pages are owned by the region, which came by value: nobody borrows from them.
            let cleared = unsafe { clear(start, len) };
            match cleared {
                Ok(()) => {}
                Err(Uncleared::Kept(errno)) => {
                    return Err((Some(ManuallyDrop::into_inner(region)), errno));
                }
                // Its pages are not unmapped again, since another may have the addresses; its guards stay.
                Err(Uncleared::Gone(errno)) => return Err((None, errno)),
            }
        }
        // Guards go; the space has the pages alone.
        let (_before, _body, _after) = ManuallyDrop::into_inner(region).guards_alone();
        Ok(Self {
            ptr,
            len,
            gate: Gate::default(),
            lost: Default::default(),
            traits: AtomicU8::new(0),
        })
    }

    /// The first byte.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// The length in bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of the space as the system calls take them. The range lies in the space.
    #[inline]
    fn bytes(&self, range: &Range<usize>) -> (*mut c_void, usize) {
        debug_assert!(range.start <= range.end && range.end <= self.len);
        let start = self.as_ptr().wrapping_add(range.start).cast();
        (start, range.end - range.start)
    }

    /// The figures of an error about bytes of the space.
    #[cold]
    fn figures(&self, range: &Range<usize>) -> [usize; 2] {
        let (start, len) = self.bytes(range);
        [len, start.addr()]
    }

    /// The bytes that are lost. Only from inside, or by who owns the space.
    #[inline]
    fn lost(&self) -> Range<usize> {
        self.lost[0].load(Ordering::Relaxed)..self.lost[1].load(Ordering::Relaxed)
    }

    /// Refuses bytes that are lost. Only from inside, or by who owns the space.
    #[inline]
    fn check(&self, range: &Range<usize>, operation: Operation) -> Result<(), Cause> {
        let lost = self.lost();
        if range.start < lost.end && lost.start < range.end {
            return Err(Cause::refused(
                operation,
                Reason::RangeAbandoned,
                self.figures(range),
            ));
        }
        Ok(())
    }

    /// Remembers that the pages are no longer what they were at first.
    #[inline]
    fn touch(&self, traits: u8) {
        self.traits.fetch_or(traits | TOUCHED, Ordering::Relaxed);
    }

    /// Moves the pages of a new map over bytes of the space. After an error its pages are unmapped, and the space is as it was,
    /// but for what the reason says.
    ///
    /// The range is not empty, and both have whole pages of the ordinary size, the same length, and no head.
    pub(crate) fn put(&self, range: Range<usize>, new: Region) -> Result<(), Cause> {
        let ((from, new_len), (to, len)) = (new.raw_pages(), self.bytes(&range));
        let failed = |errno| Cause::kernel(Operation::Mremap, errno, self.figures(&range));
        if new_len != len || len == 0 || new.head() != 0 || new.page_shift() != page_shift() {
            return Err(failed(Errno::INVAL));
        }
        // SAFETY: the pages are owned by `new`.
        let merging = unsafe { Merging::end(from, len, false) }.map_err(failed)?;
        let alone = self.gate.close();
        self.check(&range, Operation::Mremap)?;
        // At `vm.max_map_count` the move is refused before anything is unmapped; asked first, that is known.
        room().map_err(failed)?;
        self.touch(0);
        // SAFETY:
        // - The source is owned by `new`, which came by value: nobody borrows from it.
        // - The target is owned by the space (invariant, `check`), no reference into it exists, and nobody else is inside. If
        //   it is unmapped and the call fails, that is seen to below, before anybody else goes in.
        match unsafe { sys::mremap_fixed(from, len, len, RemapFlags::MAYMOVE, to) } {
            Ok(_) => {
                core::mem::forget(new); // Its pages are the space's now.
                // SAFETY: the pages are owned by the space, and nobody else is inside.
                unsafe { merging.go_on(to, len) };
                drop(alone);
                Ok(())
            }
            Err(errno) => {
                let reason = self.hold_or_lose(&range);
                drop(alone);
                Err(Cause {
                    reason,
                    ..failed(errno)
                })
            }
        }
    }

    /// Maps a device directly over bytes of the space: `MAP_FIXED`. After an error the bytes are inaccessible, but for what the
    /// reason says. The range is not empty, and starts and ends where pages do.
    pub(crate) fn put_in_place(&self, range: Range<usize>, new: Placed<'_>) -> Result<(), Cause> {
        let (start, len) = self.bytes(&range);
        let failed = |errno| Cause::kernel(Operation::Mmap, errno, self.figures(&range));
        let alone = self.gate.close();
        self.check(&range, Operation::Mmap)?;
        self.touch(DEVICE);
        // SAFETY: the bytes are owned by the space (invariant, `check`), no reference into them exists, nobody else is inside.
        unsafe { clear(start, len) }.map_err(|why| self.uncleared(&range, why))?;
        // SAFETY: as above, and they are private memory of no file now.
        let mark = unsafe { Mark::put(start) }.map_err(|errno| Cause {
            reason: Reason::RangeEmptied,
            ..failed(errno)
        })?;
        let flags = new.flags.union(MapFlags::FIXED);
        // SAFETY: as above. If the bytes are unmapped and the call fails, that is seen to below, before anybody else goes in.
        let Err(errno) = (unsafe { sys::mmap(start, len, new.prot, flags, new.fd, new.offset) })
        else {
            return Ok(());
        };
        let reason = if mark.is_there(start) {
            // Nothing was unmapped: all of the range goes at once, and this page of it is still ours. A refusal leaves it as it
            // is. SAFETY: as above.
            match unsafe { clear(start, len) } {
                Ok(()) | Err(Uncleared::Kept(_)) => Reason::RangeEmptied,
                Err(Uncleared::Gone(_)) => self.lose(&range),
            }
        } else {
            self.hold_or_lose(&range)
        };
        drop(alone);
        Err(Cause {
            reason,
            ..failed(errno)
        })
    }

    /// After a replacement that failed: reserves bytes of the space anew if they are free, and else gives them up. Only by who is
    /// inside alone.
    #[cold]
    fn hold_or_lose(&self, range: &Range<usize>) -> Reason {
        let (start, len) = self.bytes(range);
        // SAFETY: with `MAP_FIXED_NOREPLACE` nothing is replaced. The bytes were mapped before the replacement, so no stack grows
        // into them.
        if unsafe { reserve(start, len) }.is_ok() {
            return Reason::RangeEmptied;
        }
        self.lose(range)
    }

    /// The reason why bytes of the space are not cleared; if they are gone, they are given up. Only by who is inside alone.
    #[cold]
    fn uncleared(&self, range: &Range<usize>, why: Uncleared) -> Cause {
        let (reason, errno) = match why {
            Uncleared::Kept(errno) => (Reason::Kernel, errno),
            Uncleared::Gone(errno) => (self.lose(range), errno),
        };
        Cause {
            reason,
            ..Cause::kernel(Operation::Mmap, errno, self.figures(range))
        }
    }

    /// Gives bytes of the space up: they are never touched again. Only by who is inside alone.
    #[cold]
    fn lose(&self, range: &Range<usize>) -> Reason {
        let mut lost = self.lost();
        if lost.is_empty() {
            lost = range.clone();
        }
        self.lost[0].store(lost.start.min(range.start), Ordering::Relaxed);
        self.lost[1].store(lost.end.max(range.end), Ordering::Relaxed);
        Reason::RangeAbandoned
    }

    /// Takes away what is placed in bytes of the space: they are inaccessible, and cost nothing. After an error they are as they
    /// were, but for what the reason says. The range starts and ends where pages do.
    pub(crate) fn empty(&self, range: Range<usize>) -> Result<(), Cause> {
        let (start, len) = self.bytes(&range);
        if len == 0 {
            return Ok(());
        }
        let _alone = self.gate.close();
        self.check(&range, Operation::Mmap)?;
        // What is made anew need not be one mapping with the rest: `mlockall` decides about new ones only, say.
        self.touch(0);
        // SAFETY: the bytes are owned by the space (invariant, `check`), no reference into them exists, nobody else is inside.
        unsafe { clear(start, len) }.map_err(|why| self.uncleared(&range, why))
    }

    /// Changes the permissions of bytes of the space. After an error some may have changed. The range starts and ends where
    /// pages do.
    pub(crate) fn protect(&self, range: Range<usize>, prot: ProtFlags) -> Result<(), Cause> {
        let (start, len) = self.bytes(&range);
        if len == 0 {
            return Ok(());
        }
        let _inside = self.gate.enter();
        self.check(&range, Operation::Mprotect)?;
        self.touch(0);
        // SAFETY: the bytes are owned by the space (invariant, `check`), nobody replaces them meanwhile, and no reference into
        // them needs a permission.
        unsafe { sys::mprotect(start, len, prot.into()) }
            .map_err(|errno| Cause::kernel(Operation::Mprotect, errno, self.figures(&range)))
    }

    /// Installs guards in the pages of a range, where the kernel can do that; else the range may be half guarded, half as it was.
    /// The range starts and ends where pages do.
    pub(crate) fn guard(&self, range: Range<usize>) -> Result<(), Cause> {
        let (start, len) = self.bytes(&range);
        if len == 0 {
            return Ok(());
        }
        let _inside = self.gate.enter();
        self.check(&range, Operation::Madvise)?;
        self.touch(0);
        // SAFETY: the bytes are owned by the space (invariant, `check`), nobody replaces them meanwhile, and no reference into
        // them exists.
        unsafe { sys::madvise(start, len, Advice::GUARD_INSTALL) }
            .map_err(|errno| Cause::kernel(Operation::Madvise, errno, self.figures(&range)))
    }

    /// Copies bytes of the space from `offset` on into `buf`; they lie in the space.
    pub(crate) fn read(&self, offset: usize, buf: &mut [u8]) -> Result<(), Uncopied> {
        let mut done = 0;
        for part in buf.chunks_mut(AT_ONCE) {
            let at = offset + done;
            let _inside = self.gate.enter();
            self.check(&(at..at + part.len()), Operation::Read)
                .map_err(|cause| Uncopied::refused(done, cause))?;
            let from = self.as_ptr().wrapping_add(at);
            // SAFETY: the bytes lie in pages of the space, which nobody replaces meanwhile; the kernel fails where it cannot
            // read.
            unsafe { kernel::read(part, from) }.map_err(|stop| Uncopied::stopped(done, stop))?;
            done += part.len();
        }
        Ok(())
    }

    /// Copies `buf` to bytes of the space from `offset` on; they lie in the space.
    ///
    /// # Safety
    ///
    /// If the writer is [`Writer::Knowing`]: what devices do with these bytes harms nothing.
    pub(crate) unsafe fn write(
        &self,
        offset: usize,
        buf: &[u8],
        writer: Writer,
    ) -> Result<(), Uncopied> {
        let mut done = 0;
        for part in buf.chunks(AT_ONCE) {
            let at = offset + done;
            let _inside = self.gate.enter();
            // Who places a device says so while he is alone, before there is one.
            if writer == Writer::Safe && self.traits.load(Ordering::Relaxed) & DEVICE != 0 {
                return Err(Uncopied::stopped_by(done, Reason::DeviceInside));
            }
            self.check(&(at..at + part.len()), Operation::Write)
                .map_err(|cause| Uncopied::refused(done, cause))?;
            let to = self.as_ptr().wrapping_add(at);
            // SAFETY:
            // - The bytes lie in pages of the space, which nobody replaces meanwhile; the kernel fails where it cannot write.
            // - No reference into them exists (invariant), and they are no device's, or the caller knows what that does.
            unsafe { kernel::write(to, part) }.map_err(|stop| Uncopied::stopped(done, stop))?;
            done += part.len();
        }
        Ok(())
    }

    /// Cuts off the first `n` bytes as a space of their own. A page starts there, or it is the end.
    pub(crate) fn split_to(&mut self, n: usize) -> Self {
        debug_assert!(n <= self.len);
        let lost = self.lost();
        let part = |from: usize, to: usize| {
            let (start, end) = (lost.start.clamp(from, to), lost.end.clamp(from, to));
            if start < end {
                [start - from, end - from]
            } else {
                [0, 0]
            }
        };
        let (first, second) = (part(0, n), part(n, self.len));
        let head = Self {
            ptr: self.ptr,
            len: n,
            gate: Gate::default(),
            lost: first.map(AtomicUsize::new),
            traits: AtomicU8::new(*self.traits.get_mut()),
        };
        // SAFETY: `n` is at most `len`, so the pointer stays in the space or one past its end.
        self.ptr = unsafe { self.ptr.add(n) };
        self.len -= n;
        self.lost = second.map(AtomicUsize::new);
        head
    }

    /// Makes one space of this and the one right behind it.
    pub(crate) fn join(self, second: Self) -> Result<Self, (Self, Self)> {
        let len = self.len.checked_add(second.len);
        let end = self.ptr.addr().get().wrapping_add(self.len);
        if second.len == 0 {
            return Ok(self);
        }
        if self.len == 0 {
            return Ok(second);
        }
        match len {
            Some(len) if len <= isize::MAX as usize && end == second.ptr.addr().get() => {
                let (first, second) = (ManuallyDrop::new(self), ManuallyDrop::new(second));
                let (one, two) = (first.lost(), second.lost());
                let two = two.start + first.len..two.end + first.len;
                let lost = match (one.is_empty(), two.is_empty()) {
                    (true, true) => [0, 0],
                    (false, true) => [one.start, one.end],
                    (true, false) => [two.start, two.end],
                    (false, false) => [one.start, two.end],
                };
                let traits = [&first, &second].map(|part| part.traits.load(Ordering::Relaxed));
                Ok(Self {
                    ptr: as_one(first.ptr),
                    len,
                    gate: Gate::default(),
                    lost: lost.map(AtomicUsize::new),
                    // The kernel may hold them as two mappings.
                    traits: AtomicU8::new(traits[0] | traits[1] | TOUCHED),
                })
            }
            _ => Err((self, second)),
        }
    }

    /// Turns all of the space into private memory of no file with these permissions. After an error it comes back as it was, or
    /// there is none.
    pub(crate) fn fill(self, prot: ProtFlags) -> Result<Region, (Option<Self>, Cause)> {
        let shift = page_shift();
        if self.len == 0 {
            return Ok(Region::empty(shift));
        }
        let all = 0..self.len;
        if let Err(cause) = self.check(&all, Operation::Mmap) {
            return Err((Some(self), cause));
        }
        if self.traits.load(Ordering::Relaxed) & TOUCHED == 0 {
            let (start, len) = self.bytes(&all);
            // SAFETY: the bytes are owned by the space, which came by value; they are one mapping of private memory of no file.
            if let Err(errno) = unsafe { sys::mprotect(start, len, prot.into()) } {
                let cause = Cause::kernel(Operation::Mprotect, errno, self.figures(&all));
                return Err((Some(self), cause));
            }
        } else {
            let layout = Layout::new(0, self.len, shift);
            let new = layout
                .ok_or(Errno::NOMEM)
                .and_then(|layout| Region::map(layout, 0, prot, NOTHING, None))
                .map_err(|errno| Cause::kernel(Operation::Mmap, errno, self.figures(&all)));
            match new.and_then(|new| self.put(all, new)) {
                Ok(()) => {}
                Err(cause) if cause.reason == Reason::Kernel => return Err((Some(self), cause)),
                Err(cause) => return Err((None, cause)),
            }
        }
        let filled = ManuallyDrop::new(self);
        // The pages are owned, and one new mapping of private memory of no file.
        let region = Region {
            ptr: filled.ptr,
            len: filled.len,
            properties: Properties::new(shift, Traits::ANONYMOUS, Known::OfNewPages),
        };
        Ok(region.looked_at())
    }

    /// Unmaps all of it that is not lost, or gives it back with the reason why the kernel keeps it.
    pub(crate) fn unmap(self) -> Result<(), (Self, Errno)> {
        let this = ManuallyDrop::new(self);
        for (done, part) in this.kept().into_iter().enumerate() {
            let (start, len) = this.bytes(&part);
            if len == 0 {
                continue;
            }
            // SAFETY: the bytes are owned and not lost (invariant), `self` came by value, and nobody unmaps them again.
            if let Err(errno) = unsafe { sys::munmap(start, len) } {
                let mut rest = ManuallyDrop::into_inner(this);
                if done == 1 {
                    // The part before what is lost is gone: it is nobody's.
                    rest.lost[0] = AtomicUsize::new(0);
                }
                return Err((rest, errno));
            }
        }
        Ok(())
    }

    /// What comes before the lost bytes, and what comes behind them. Only by who owns the space.
    fn kept(&self) -> [Range<usize>; 2] {
        let lost = self.lost();
        if lost.is_empty() {
            [0..self.len, self.len..self.len]
        } else {
            [0..lost.start, lost.end..self.len]
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        for part in self.kept() {
            let (start, len) = self.bytes(&part);
            if len == 0 {
                continue;
            }
            // SAFETY: the bytes are owned and not lost (invariant), and this is `drop`: nobody uses them any more.
            if unsafe { sys::munmap(start, len) }.is_err() {
                for advice in [Advice::DONTNEED_LOCKED, Advice::DONTNEED] {
                    // SAFETY: as above. The addresses stay taken, so nobody gets them; what is in them is given back.
                    let _ = unsafe { sys::madvise(start, len, advice) };
                }
            }
        }
    }
}

impl Uncopied {
    /// A refusal after some bytes.
    #[cold]
    fn refused(done: usize, cause: Cause) -> Self {
        Self::stopped_by(done, cause.reason)
    }

    /// The same for a reason.
    #[cold]
    fn stopped_by(done: usize, reason: Reason) -> Self {
        if done == 0 {
            return Self::Refused(reason);
        }
        Self::Stopped(Stop {
            errno: reason.errno(),
            copied: done,
        })
    }

    /// A stop after some bytes.
    #[cold]
    fn stopped(done: usize, stop: Stop) -> Self {
        Self::Stopped(Stop {
            copied: done + stop.copied,
            ..stop
        })
    }
}

/// Bytes in a page of ours that nobody else can have in one of theirs: while they are there, the page was not unmapped.
struct Mark([u8; MARK]);

impl Mark {
    /// Marks an inaccessible page.
    ///
    /// # Safety
    ///
    /// The page is the caller's and private memory of no file, no reference into it exists, and nobody else uses it.
    unsafe fn put(page: *mut c_void) -> Result<Self, Errno> {
        let mut mark = [0; MARK];
        if getrandom(&mut mark, GetRandomFlags::empty())? != MARK {
            return Err(Errno::INTR);
        }
        let both = ProtFlags::READ.union(ProtFlags::WRITE);
        // SAFETY: the caller's contract.
        unsafe { sys::mprotect(page, sys::page_size(), both.into()) }?;
        // SAFETY: the page is writable now, does not fault, is as long as a page, and nobody else uses it.
        unsafe { page.cast::<[u8; MARK]>().write(mark) };
        Ok(Self(mark))
    }

    /// Whether the mark is still there.
    fn is_there(&self, start: *mut c_void) -> bool {
        let mut bytes = [0; MARK];
        // SAFETY: the kernel reads, and fails where it cannot. Whose bytes these are is what is asked.
        unsafe { kernel::read(&mut bytes, start.cast()) }.is_ok() && bytes == self.0
    }
}

/// Why a range was not cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uncleared {
    /// The kernel refused, and what was there is there.
    Kept(Errno),
    /// What was there is unmapped, and nothing could be mapped instead.
    Gone(Errno),
}

/// Replaces whatever is mapped in a range by inaccessible private memory of no file.
///
/// # Safety
///
/// The range is the caller's, in whole pages, no reference into it exists, and nobody else uses it.
unsafe fn clear(start: *mut c_void, len: usize) -> Result<(), Uncleared> {
    let flags = NOTHING.union(MapFlags::FIXED);
    // SAFETY: the caller's contract.
    match unsafe { sys::mmap_anonymous(start, len, ProtFlags::empty(), flags) } {
        Ok(_) => Ok(()),
        // Had the kernel run out of memory after it unmapped the range, it would be free, and is then made what it should be.
        // SAFETY: with `MAP_FIXED_NOREPLACE` nothing is replaced.
        Err(errno) => match unsafe { reserve(start, len) } {
            Ok(()) => Ok(()),
            // A range goes all at once, so its first page tells. Only that nothing is there is believed.
            Err(_) if sys::mincore(start, 1, &mut [0]) == Err(Errno::NOMEM) => {
                Err(Uncleared::Gone(errno))
            }
            Err(_) => Err(Uncleared::Kept(errno)),
        },
    }
}

/// Maps inaccessible memory in a range if nothing is mapped there.
///
/// # Safety
///
/// No stack grows into the range.
unsafe fn reserve(start: *mut c_void, len: usize) -> Result<(), Errno> {
    let flags = NOTHING.union(MapFlags::FIXED_NOREPLACE);
    // SAFETY: the caller's contract.
    let there = unsafe { sys::mmap_anonymous(start, len, ProtFlags::empty(), flags) }?;
    debug_assert_eq!(
        there.as_ptr(),
        start,
        "Linux 4.17 and later keep to the address"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::page_shift;

    /// A space of so many pages, of which nothing is lost.
    fn space(pages: usize) -> Space {
        let page = 1 << page_shift();
        let layout = crate::layout::Layout::new(0, pages * page, page_shift()).expect("it fits");
        let region = Region::reserve(layout, 0).expect("addresses");
        Space::instead_of(region).unwrap_or_else(|(_, errno)| panic!("{errno}"))
    }

    #[test]
    fn what_is_lost_stays_lost_in_both_parts_and_the_whole() {
        let page = 1 << page_shift();
        for lost in [0..0, 0..1, 1..2, 2..4, 1..6, 3..4, 4..5, 5..6, 0..6] {
            let lost = lost.start * page..lost.end * page;
            for cut in 0..=6 {
                let cut = cut * page;
                let mut second = space(6);
                second.lost = [lost.start, lost.end].map(AtomicUsize::new);
                let first = second.split_to(cut);
                let is_lost = |space: &Space, at: usize| space.lost().contains(&at);
                for at in (0..6 * page).step_by(page) {
                    let found = match at < cut {
                        true => is_lost(&first, at),
                        false => is_lost(&second, at - cut),
                    };
                    assert_eq!(found, lost.contains(&at), "{lost:?} cut at {cut}: {at}");
                }
                let Ok(mut whole) = first.join(second) else {
                    panic!("neighbours that fit");
                };
                for at in (0..6 * page).step_by(page) {
                    assert_eq!(
                        is_lost(&whole, at),
                        lost.contains(&at),
                        "{lost:?} joined at {cut}"
                    );
                }
                // It was not lost in truth, and is unmapped.
                whole.lost = Default::default();
            }
        }
    }
}
