//! From one state to the next: seals, which nobody takes away again.

use memfd::FileSeal;
use mmarinus::{Errno, Map, Shared, backing, perms};
use mmarinus_sys::{FallocateFlags, SealFlags, fallocate, fcntl_get_seals};

use super::error::{Cause, Error, Step};
use super::file::Memfd;
use super::holders::holders;
use super::state::{ALL, Broadcast, Open, SIZE, Sealed, SizeSealed, State, Unsealed};
use super::verify::stat;

/// A signal makes `fallocate` give back what it has allocated, so it is asked for no more than this many bytes at once: at first,
/// and where signals come so often that it gets nowhere.
const AT_ONCE: [u64; 2] = [64 << 20, 64 << 10];

impl Memfd<Open> {
    /// Fixes the size: `F_SEAL_SHRINK` and `F_SEAL_GROW`. A map of the file then has pages that stay, so it has atomics.
    ///
    /// # Errors
    ///
    /// The file comes back in the error.
    ///
    /// - `EOPNOTSUPP`: the file is in huge pages: whoever has it can still punch holes, and touching a hole when no huge page is
    ///   free is SIGBUS.
    /// - `EPERM`: somebody else who has the file forbade further seals.
    ///
    /// # References
    ///
    /// [F_ADD_SEALS(2const)](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html)
    pub fn seal_size(self) -> Result<Memfd<SizeSealed>, Error<Self>> {
        if self.huge_pages().is_some() {
            return Err(Error::new(Cause::huge(Step::Seal), self));
        }
        let added = self.add_seals(&[FileSeal::SealShrink, FileSeal::SealGrow], SIZE);
        self.become_after(added)
    }
}

impl<S: State> Memfd<S> {
    /// Fixes size and bytes for ever: `F_SEAL_WRITE`, `F_SEAL_SHRINK`, `F_SEAL_GROW`, and `F_SEAL_SEAL`. A map of the file is
    /// then a slice.
    ///
    /// Holes get their memory first, since touching one could be SIGBUS where memory is short; so that what fails for lack of
    /// memory fails before anything is sealed. (Only if somebody else makes a hole at that very moment can it fail afterwards;
    /// then the file in the error is sealed already, and sealing it again tries again.)
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Shared, perms};
    /// use mmarinus_ext::memfd::Memfd;
    ///
    /// let memfd = Memfd::create("table", 4096)?;
    /// let mut map = memfd.map()?.with_kind(Shared).with(perms::ReadWrite)?;
    /// map.write_at(0, b"hello")?;
    ///
    /// let error = memfd.seal().unwrap_err();
    /// assert_eq!(error.errno(), Errno::BUSY);
    /// println!("{error}"); // Names the map that is in the way.
    ///
    /// let memfd = error.into_inner();
    /// drop(map);
    /// let memfd = memfd.seal()?;
    /// assert!(memfd.map().with(perms::Read)?.starts_with(b"hello"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The file comes back in the error.
    ///
    /// - `EBUSY`: a shared map can still write to the file, here, in another process or in a forked child, or the kernel works on
    ///   its pages (`vmsplice`, buffers of io_uring). The error names the maps, as far as `/proc` shows them to us.
    /// - `ENOMEM`, `ENOSPC`, `EFAULT`: there is no memory for the holes, or no free huge page.
    /// - `EPERM`: somebody else who has the file forbade further seals; or the descriptor came from somewhere else, and is
    ///   for reading only.
    ///
    /// # References
    ///
    /// [F_ADD_SEALS(2const)](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html)
    pub fn seal(self) -> Result<Memfd<Sealed>, Error<Self>>
    where
        S: Unsealed,
    {
        let seals = [
            FileSeal::SealWrite,
            FileSeal::SealShrink,
            FileSeal::SealGrow,
            FileSeal::SealSeal,
        ];
        // The second time for what others did in between, which they cannot do any more.
        let sealed = self
            .allocate()
            .and_then(|()| self.add_seals(&seals, ALL))
            .and_then(|()| self.allocate());
        self.become_after(sealed)
    }

    /// Gives memory to all holes.
    fn allocate(&self) -> Result<(), Cause> {
        let stat = stat(self)?;
        let len = stat.st_size as u64;
        // Blocks do not tell whether a page was written: one that was only read is dropped when memory runs short.
        // A huge page is asked for whole.
        let [mut step, least] = AT_ONCE.map(|step| step.max(self.huge_bytes().unwrap_or(0)));
        let mut offset = 0;
        while offset < len {
            let part = step.min(len - offset);
            match fallocate(self, FallocateFlags::empty(), offset, part) {
                Ok(()) => offset += part,
                Err(Errno::INTR) => step = (step / 2).max(least),
                // A descriptor that is for reading only: what seals may be there already is for the next call to say.
                Err(Errno::BADF) => return Ok(()),
                Err(errno) => return Err(Cause::kernel(Step::Allocate, errno)),
            }
        }
        Ok(())
    }

    /// Adds seals.
    fn add_seals(&self, seals: &[FileSeal], needed: SealFlags) -> Result<(), Cause> {
        let Err(error) = self.sealing().add_seals(seals) else {
            return Ok(());
        };
        match errno_of(&error) {
            Errno::BUSY => Err(Cause::held(holders(self))),
            // Another who has the file may have added the same, and forbidden more.
            Errno::PERM if fcntl_get_seals(self).is_ok_and(|seals| seals.contains(needed)) => {
                Ok(())
            }
            errno => Err(Cause::kernel(Step::Seal, errno)),
        }
    }

    /// The file in its new state, if it got there.
    fn become_after<T: State>(self, sealed: Result<(), Cause>) -> Result<Memfd<T>, Error<Self>> {
        match sealed {
            Ok(()) => self.become_state(),
            Err(cause) => Err(Error::new(cause, self)),
        }
    }
}

impl Memfd<SizeSealed> {
    /// Maps the file for writing, and makes that its last writable map: `F_SEAL_FUTURE_WRITE`, since Linux 5.1. Whoever gets the
    /// file from here on can read along, and can write nothing.
    ///
    /// Other writable maps that were made before stay so; drop them first. [`seal_future_writes`](Self::seal_future_writes) is
    /// for a map that needs an address or options.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use mmarinus::{Errno, Shared, perms};
    /// use mmarinus_ext::memfd::Memfd;
    ///
    /// let (writer, memfd) = Memfd::create("clock", 4096)?.seal_size()?.broadcast()?;
    /// let reader = memfd.map().with_kind(Shared).with(perms::Read)?;
    /// writer.atomics::<AtomicU64>(..8)?[0].store(7, Ordering::Release);
    /// assert_eq!(reader.observe::<AtomicU64>(..8)?[0].load(), 7);
    ///
    /// let error = memfd.map().with_kind(Shared).with(perms::ReadWrite).unwrap_err();
    /// assert_eq!(error.errno(), Errno::PERM);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The file comes back in the error, and is not mapped.
    ///
    /// - `EPERM`: somebody else who has the file forbade further seals.
    /// - What [`map`](Self::map) says; `EINVAL` where memory may not be overcommitted.
    ///
    /// # References
    ///
    /// [F_ADD_SEALS(2const)](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html)
    pub fn broadcast(self) -> Result<(Writer, Memfd<Broadcast>), Error<Self>> {
        match self.map().with_kind(Shared).with(perms::ReadWrite) {
            Ok(writer) => Ok((writer, self.seal_future_writes()?)),
            Err(error) => Err(Error::new(Cause::map(error), self)),
        }
    }

    /// Forbids all new ways to write to the file, and leaves the maps that can: `F_SEAL_FUTURE_WRITE`, since Linux 5.1.
    ///
    /// # Errors
    ///
    /// The file comes back in the error.
    ///
    /// - `EPERM`: somebody else who has the file forbade further seals.
    ///
    /// # References
    ///
    /// [F_ADD_SEALS(2const)](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html)
    pub fn seal_future_writes(self) -> Result<Memfd<Broadcast>, Error<Self>> {
        let added = self.add_seals(&[FileSeal::SealFutureWrite], SealFlags::FUTURE_WRITE);
        self.become_after(added)
    }
}

/// The last map that can write to a file: see [`Memfd::broadcast`].
type Writer = Map<perms::ReadWrite, Shared, backing::SizeSealed>;

/// The errno in what the crate `memfd` says.
fn errno_of(error: &memfd::Error) -> Errno {
    let (memfd::Error::Create(error)
    | memfd::Error::AddSeals(error)
    | memfd::Error::GetSeals(error)) = error;
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
