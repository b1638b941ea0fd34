//! Rung 1, copies: bytes and plain values, out of and into any map, where a page that is gone is an error.
#![expect(unsafe_code, reason = "writes through a map that is borrowed mutably")]

use crate::backing::{Backing, Unsliced, Written};
use crate::fault::Fault;
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{MayRead, MayWrite, Permissions};

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Copies bytes from `offset` on into all of `buf`: rung 1 of [the ladder](crate#the-ladder).
    ///
    /// Where pages may be gone the kernel copies (`process_vm_readv`), so that a fault is an error, unless `fault::install` has
    /// made that the speed of `memcpy`; where they stay but others write, an assembly routine does; where nobody else writes,
    /// it is a plain `memcpy`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(&[7; 8192])?;
    /// let map = Map::bytes(8192).anywhere().from(&file, 0).with(perms::Read)?;
    ///
    /// let mut bytes = [0; 100];
    /// map.read_at(4000, &mut bytes)?;
    /// assert_eq!(bytes, [7; 100]);
    ///
    /// file.set_len(4096)?; // Somebody truncates the file: touching the second page would be SIGBUS.
    /// let fault = map.read_at(4000, &mut bytes).unwrap_err();
    /// assert_eq!((fault.errno(), fault.copied(), fault.offset()), (Errno::FAULT, 96, 4096));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The [`Fault`] says how many bytes were copied before it.
    ///
    /// - `EINVAL` if the bytes do not lie in the map.
    /// - `EACCES` if permissions known at run time only do not include reading.
    /// - `EFAULT` if a page is gone: a file was truncated, its storage failed, or a device has no ordinary page there (then
    ///   `fault::install` makes it readable).
    /// - `EPERM` or `ENOSYS` if seccomp or the kernel's configuration forbids `process_vm_readv`.
    ///
    /// # References
    ///
    /// [process_vm_readv(2)](https://man7.org/linux/man-pages/man2/process_vm_readv.2.html)
    #[inline]
    pub fn read_at(&self, offset: usize, buf: &mut [u8]) -> Result<(), Fault>
    where
        P: MayRead,
    {
        self.whole_view().read_at(offset, buf)
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Copies `buf` to `offset` and following: rung 1 of [the ladder](crate#the-ladder).
    ///
    /// Below rung 3, a [`view`](Self::view) does the same by `&self`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let file = tempfile::tempfile()?;
    /// file.set_len(4096)?;
    /// let mut map = Map::bytes(4096).anywhere().from(&file, 0).with_kind(Shared).with(perms::ReadWrite)?;
    /// map.write_at(100, b"hello")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at), with writing for reading. A full disk is `EFAULT` as well.
    ///
    /// # References
    ///
    /// [process_vm_writev(2)](https://man7.org/linux/man-pages/man2/process_vm_writev.2.html)
    #[inline]
    pub fn write_at(&mut self, offset: usize, buf: &[u8]) -> Result<(), Fault>
    where
        P: MayWrite,
        B: Written<K>,
    {
        // SAFETY: the map is borrowed mutably, so nobody else uses its bytes in this process; safe code may write them
        // (`Written`).
        unsafe { self.whole_view().store(offset, buf) }
    }

    /// Copies `buf` into memory of a device, to `offset` and following.
    ///
    /// # Safety
    ///
    /// What the device does with these bytes must not break Rust's rules: a descriptor in a ring of io_uring, say, makes the
    /// kernel write wherever it points.
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at), with writing for reading.
    #[inline]
    pub unsafe fn write_device_at(&mut self, offset: usize, buf: &[u8]) -> Result<(), Fault>
    where
        P: MayWrite,
        B: Unsliced<K>,
    {
        // SAFETY: the pair is not `NoRace` (`Unsliced`), and the caller knows what the bytes do.
        unsafe { self.whole_view().store(offset, buf) }
    }
}
