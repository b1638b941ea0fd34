//! Promises about what stands behind a map: the ways between the rungs of the ladder that cost no system call.
#![expect(unsafe_code, reason = "turns a promise into a type")]

use crate::backing::{Backing, Device, Exposed, File, NoFault, Present, Stable};
use crate::kind::Kind;
use crate::map::Map;

impl<P, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// The same pages, with something else known about what stands behind them.
    ///
    /// # Safety
    ///
    /// All that the traits of [`backing`](crate::backing) say about `C` and `K` is true of the pages.
    #[inline]
    unsafe fn rebacked<C: Backing<K>>(self) -> Map<P, K, C> {
        let (perms, region) = self.into_region();
        // SAFETY: permissions and kind stay; the caller vouches for the backing.
        unsafe { Map::from_region(perms, region) }
    }
}

impl<P, K: Kind> Map<P, K, File> {
    /// Promises that nobody else touches the file, which makes the map as good as memory: slices, rung 3 of
    /// [the ladder](crate#the-ladder).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use mmarinus::{Map, perms};
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"hello")?;
    /// let map = Map::bytes(5).anywhere().from(&file, 0).with(perms::Read)?;
    /// // SAFETY: the file has no name and no other descriptor, it holds 5 bytes, and nobody writes it from here on.
    /// let map = unsafe { map.assume_stable() };
    /// assert_eq!(map.as_ref(), b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    ///
    /// As long as any map of these pages lives:
    ///
    /// - nobody else writes the file's bytes that are mapped, by another map of them (which safe code
    ///   could make writable, or a map of what lies before them, which it could make longer), by `write`, or by any other way, in
    ///   this process or another;
    /// - nobody truncates the file or punches holes into it: it reaches the end of the map;
    /// - the blocks of the file are allocated (reading or writing a hole of a full file system is SIGBUS): by
    ///   [`preallocate`](Map::preallocate), say;
    /// - if the map is shared and may become writable: writing needs no new block (as it does on file systems that copy on write,
    ///   and for files that share blocks);
    /// - the storage does not fail.
    #[inline]
    pub unsafe fn assume_stable(self) -> Map<P, K, Stable> {
        // SAFETY: with these promises no access faults (`NoFault`) and nobody else changes the bytes (`NoRace`).
        unsafe { self.rebacked() }
    }

    /// Promises that the pages of the file stay, while others may write them: atomics, rung 2 of [the ladder](crate#the-ladder).
    ///
    /// # Safety
    ///
    /// As long as any map of these pages lives:
    ///
    /// - the file reaches the end of the map, and nobody truncates it or punches holes into it;
    /// - its blocks stay allocated ([`preallocate`](Map::preallocate) allocates them), writing needs no new block (as it does on
    ///   file systems that copy on write, and for files that share blocks), and its storage does not fail;
    /// - nothing that safe code may write there can break Rust's rules in this process.
    #[inline]
    pub unsafe fn assume_present(self) -> Map<P, K, Present> {
        // SAFETY: with these promises no access faults (`NoFault`); `Present` has no slices.
        unsafe { self.rebacked() }
    }
}

impl<P, K: Kind> Map<P, K, Device> {
    /// Promises that the pages of the device are memory and stay, while the device writes them: atomics, rung 2 of
    /// [the ladder](crate#the-ladder).
    ///
    /// # Safety
    ///
    /// As long as any map of these pages lives:
    ///
    /// - reading and writing them with the permissions of the map does not fault, in any order, width and alignment;
    /// - nothing that safe code may write there can break Rust's rules in this process: a descriptor in a ring of io_uring, say,
    ///   makes the kernel write wherever it points.
    #[inline]
    pub unsafe fn assume_present(self) -> Map<P, K, Present> {
        // SAFETY: with these promises no access faults (`NoFault`); `Present` has no slices.
        unsafe { self.rebacked() }
    }
}

impl<P, K: Kind> Map<P, K, Stable> {
    /// Takes the promise of [`assume_stable`](Map::assume_stable) back for these pages: others may write and truncate the file
    /// again.
    ///
    /// What lies behind the map's end in the file may still be promised for another map that was split from it, and a shared
    /// map that grew over it could write it; so a shared map does not [`resize`](Map::resize) to more bytes any more, and
    /// [`grow_file`](Map::grow_file) maps it anew.
    #[inline]
    pub fn unstable(mut self) -> Map<P, K, File> {
        // A private map that grows writes to copies of its own.
        if K::SHARED {
            self.region_mut().never_grow();
        }
        // SAFETY: of `File` nothing is said that could be untrue.
        unsafe { self.rebacked() }
    }
}

impl<P, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Says that from now on others write the pages: a guest, a device, or the kernel for it. One way; slices become atomics and
    /// copies, rung 2 of [the ladder](crate#the-ladder).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use mmarinus::{Map, perms};
    ///
    /// let mut ram = Map::bytes(1 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
    /// ram[..4].copy_from_slice(&7_u32.to_ne_bytes()); // The image that the guest starts from.
    /// let ram = ram.expose(); // From here on the guest runs.
    /// assert_eq!(ram.atomics::<AtomicU32>(0..4)?[0].load(Ordering::Acquire), 7);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    #[inline]
    pub fn expose(self) -> Map<P, K, Exposed>
    where
        B: NoFault<K>,
    {
        // SAFETY: the pages were `NoFault` before; `Exposed` has no slices, so that others may write.
        unsafe { self.rebacked() }
    }
}
