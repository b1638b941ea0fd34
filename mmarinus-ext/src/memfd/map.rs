//! Maps of a file in memory, with the backing that its state proves.

use mmarinus::builder::Builder;
use mmarinus::{Map, Private};

use super::error::Error;
use super::file::Memfd;
use super::state::{Fixed, Open, State};

impl Memfd<Open> {
    /// Asks for a map of all of the file, as long as it is now. Anybody may cut the file, so such a map is copied from and to.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Shared, perms};
    /// use mmarinus_ext::memfd::Memfd;
    ///
    /// let memfd = Memfd::create("open", 4096)?;
    /// let mut map = memfd.map()?.with_kind(Shared).with(perms::ReadWrite)?;
    /// map.write_at(0, b"hello")?;
    /// memfd.set_len(0)?;
    /// assert_eq!(map.write_at(0, b"hello").unwrap_err().errno(), Errno::FAULT);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`len`](Memfd::<Open>::len).
    pub fn map(&self) -> Result<Builder<'_, Private, mmarinus::backing::File>, Error> {
        Ok(self.map_range(0, in_memory(self.len()?)))
    }
}

impl<S: Fixed> Memfd<S> {
    /// Asks for a map of all of the file. Address, kind and options follow, then `.with(perms)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use mmarinus::{Shared, perms};
    /// use mmarinus_ext::memfd::Memfd;
    ///
    /// let memfd = Memfd::create("counters", 4096)?.seal_size()?;
    /// let map = memfd.map().with_kind(Shared).with(perms::ReadWrite)?;
    /// map.atomics::<AtomicU32>(..)?[0].fetch_add(1, Ordering::Relaxed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map(&self) -> Builder<'_, Private, S::Backing> {
        self.map_range(0, in_memory(self.len()))
    }
}

impl<S: State> Memfd<S> {
    /// Asks for a map of `len` bytes from `offset` on, which need not be a multiple of the page size.
    pub fn map_range(&self, offset: u64, len: usize) -> Builder<'_, Private, S::Backing> {
        S::behind(Map::bytes(len), self.as_file(), offset)
    }
}

/// A length for a map: what is too long for the address space stays so.
fn in_memory(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
