//! Mirrors of pages that others write as well: parts of memory files, and memory that several threads write; copies and atomics.
#![expect(
    unsafe_code,
    reason = "makes views and atomics of pages that are at two addresses"
)]

use core::marker::PhantomData;

use rustix::fd::{AsFd, BorrowedFd};

use super::{Mirror, map, refused};
use crate::atomics::Atomic;
use crate::backing::{Exposed, Mirrored, NoFault, SizeSealed};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Shared;
use crate::layout::page_shift;
use crate::memfd::{Proof, look_at_memfd};
use crate::perms;
use crate::source::Looked;
use crate::view::View;

impl Mirror<SizeSealed> {
    /// Mirrors all of a memory file that is sealed against shrinking (`F_SEAL_SHRINK`).
    ///
    /// Others may write it meanwhile, so it gives copies and atomics. The capacity is the length that the file has now: a whole
    /// number of pages. The file must be open for reading and writing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use mmarinus::Mirror;
    /// use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
    ///
    /// let file = memfd_create("ring", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    /// ftruncate(&file, 1 << 16)?;
    /// fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
    /// let mirror = Mirror::new(&file)?;
    ///
    /// mirror.view((1 << 16) - 2, 5)?.write_at(0, b"hello")?;
    /// let mut bytes = [0; 3];
    /// mirror.view(0, 3)?.read_at(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"llo");
    ///
    /// let words = mirror.atomics::<AtomicU64>((1 << 16) - 8, 16)?; // The last word and the first.
    /// assert_eq!(words[1].load(Ordering::Relaxed) & 0xff, u64::from(b'l'));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EACCES`, `EPERM`: the file is not open for reading and writing, or is sealed against writing.
    /// - `EINVAL`: the seal is missing, the length is no whole number of pages, the descriptor is 0, 1 or 2, or memory may not be
    ///   overcommitted (`vm.overcommit_memory` is 2), where others could make a hole that is SIGBUS.
    /// - `ENOMEM`: no room for twice the length.
    /// - `EOPNOTSUPP`: the file is in huge pages.
    pub fn new<F: AsFd + ?Sized>(fd: &F) -> Result<Self, Error> {
        let fd = fd.as_fd();
        let looked = look_at_memfd(fd, Proof::SizeSealed, Some(0))?;
        let len = looked.len();
        Self::looked_at(fd, looked, 0, len)
    }

    /// Mirrors `len` bytes from `offset` on, both whole pages, of a memory file that is sealed against shrinking: what follows a
    /// header, say.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, Mirror, Shared, perms};
    /// use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
    ///
    /// let page = mmarinus_sys::page_size();
    /// let file = memfd_create("ring", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    /// ftruncate(&file, 3 * page as u64)?;
    /// fcntl_add_seals(&file, SealFlags::SHRINK)?;
    ///
    /// let header = Map::bytes(page).from_size_sealed(&file, 0).with_kind(Shared).with(perms::ReadWrite)?;
    /// let ring = Mirror::part(&file, page as u64, 2 * page)?;
    /// ring.view(2 * page - 2, 5)?.write_at(0, b"hello")?;
    /// let mut bytes = [0; 3];
    /// ring.view(0, 3)?.read_at(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"llo");
    /// header.read_at(0, &mut bytes)?;
    /// assert_eq!(bytes, [0; 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), and `EINVAL` if `offset` is no whole number of pages or the part reaches past the end.
    pub fn part<F: AsFd + ?Sized>(fd: &F, offset: u64, len: usize) -> Result<Self, Error> {
        let fd = fd.as_fd();
        let end = offset.checked_add(len as u64);
        let looked = look_at_memfd(fd, Proof::SizeSealed, end)?;
        Self::looked_at(fd, looked, offset, len as u64)
    }

    /// Mirrors a part of a file that was found to be sealed against shrinking, and to reach as far.
    fn looked_at(fd: BorrowedFd<'_>, looked: Looked, offset: u64, len: u64) -> Result<Self, Error> {
        let refused = |reason| Cause::refused(Operation::Look, reason, [0, 0]);
        let page = 1_u64 << page_shift();
        if looked.page_shift != page_shift() {
            return Err(refused(Reason::OtherPages).into());
        }
        if !offset.is_multiple_of(page) || !len.is_multiple_of(page) {
            return Err(refused(Reason::NoWholePages).into());
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let region = map(len, Some((fd, offset)))?;
        Ok(Self {
            region,
            backing: PhantomData,
        })
    }
}

impl<B> Mirror<B> {
    /// Says that from now on others write the pages: other threads of this process, a device, or the kernel. One way; slices
    /// become copies and atomics. Makes no system call.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::Mirror;
    ///
    /// let mirror = Mirror::anonymous(1)?.expose();
    /// let last = mirror.capacity() - 1;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| mirror.view(last, 3).unwrap().write_at(0, b"abc").unwrap());
    /// });
    /// let mut bytes = [0; 2];
    /// mirror.view(0, 2)?.read_at(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"bc");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn expose(self) -> Mirror<Exposed>
    where
        B: NoFault<Shared>,
    {
        Mirror {
            region: self.region,
            backing: PhantomData,
        }
    }

    /// The `len` bytes from position `start` on as a view, which is copied from and to, across the end where it reaches so far.
    ///
    /// # Errors
    ///
    /// As for [`slice`](Mirror::slice).
    #[inline]
    pub fn view(
        &self,
        start: usize,
        len: usize,
    ) -> Result<View<'_, perms::ReadWrite, Shared, B>, Error>
    where
        B: Mirrored,
    {
        self.check(start, len)?;
        let extent = self
            .region
            .extent()
            .sub(start, len)
            .ok_or_else(|| refused(start, len))?;
        // SAFETY: the pages of the mirror are readable, writable, shared and of this backing (invariant of `region`); the mirror
        // is borrowed.
        Ok(unsafe { View::new(extent, perms::ReadWrite) })
    }

    /// The `len` bytes from position `start` on as atomics, across the end where they reach so far.
    ///
    /// As on a map, all atomics of a mirror have one size, fixed at their first use.
    ///
    /// # Errors
    ///
    /// `EINVAL`: as for [`slice`](Mirror::slice); the position is not aligned for `A` or the length is no multiple of it; or
    /// atomics of another size were made of this mirror before.
    #[inline]
    pub fn atomics<A: Atomic>(&self, start: usize, len: usize) -> Result<&[A], Error>
    where
        B: Mirrored,
    {
        self.check(start, len)?;
        let refused = |reason, figures| Cause::refused(Operation::Atomics, reason, figures);
        // A mirror starts at a page, and so does its second half: what is aligned in one is aligned in the other.
        if !start.is_multiple_of(align_of::<A>()) {
            let first = self.addr() + start;
            return Err(refused(Reason::Misaligned, [align_of::<A>(), first]).into());
        }
        if !len.is_multiple_of(size_of::<A>()) {
            return Err(refused(Reason::Ragged, [size_of::<A>(), len]).into());
        }
        if len == 0 {
            return Ok(&[]);
        }
        self.region
            .claim_width(size_of::<A>() as u8)
            .map_err(|other| refused(Reason::OtherWidth, [size_of::<A>(), usize::from(other)]))?;
        let first = self.region.seen_anew().wrapping_add(start).cast();
        // SAFETY:
        // - The range is aligned, a whole number of atomics, which any bytes are (`Atomic`), and lies in the two halves
        //   (`check`).
        // - The pages are readable and writable, an access does not fault (`Concurrent`) and no slice exists (`Mirrored`).
        // - Atomics of other sizes are never made of this mirror, and those at a byte's two addresses cover the same bytes.
        Ok(unsafe { core::slice::from_raw_parts(first, len / size_of::<A>()) })
    }
}
