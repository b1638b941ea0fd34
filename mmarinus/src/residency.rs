//! Which bytes of a map are in memory: `mincore`.

use core::ffi::c_void;
use core::iter::FusedIterator;
use core::ops::{Range, RangeBounds};

use mmarinus_sys::{Errno, mincore, page_size};

use crate::backing::Backing;
use crate::error::{Error, Operation};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;
use crate::runs::{Ask, ROOM, Runs};

/// The ranges of bytes that are in memory, lowest first: what [`Map::residency`] returns.
#[derive(Debug)]
pub struct Residency<'m> {
    runs: Runs<'m, Mincore>,
}

/// The question, and one byte for each page.
#[derive(Debug)]
struct Mincore([u8; ROOM]);

impl Ask for Mincore {
    type State = ();

    const OPERATION: Operation = Operation::Mincore;

    fn ask(&mut self, first: *const c_void, pages: usize) -> Result<(), Errno> {
        mincore(first, pages * page_size(), &mut self.0)
    }

    fn answer(&self, page: usize) -> Option<()> {
        (self.0[page] & 1 != 0).then_some(())
    }
}

impl Iterator for Residency<'_> {
    type Item = Result<Range<usize>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.runs.next()?.map(|(range, ())| range))
    }
}

impl FusedIterator for Residency<'_> {}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Tells which bytes of a range are in memory: `mincore`.
    ///
    /// Each item is a range of bytes of the map, as long as it can be, that reading would bring in from no disk; between them is
    /// what it would. The kernel is asked about 64 pages at a time, when their turn comes; nothing is allocated.
    ///
    /// An answer can be old when it arrives: only locked pages stay in memory. Pages of a file that other processes brought in
    /// count as well; those that this process has in its page tables are counted by [`stats`](Self::stats). For a file that the
    /// process neither owns nor may write, the kernel says that all of it is in memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Advice, Map, perms};
    ///
    /// let mut map = Map::bytes(1 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map.advise(.., Advice::NOHUGEPAGE)?;
    /// let page = map.page_size();
    /// map[5 * page..7 * page].fill(1);
    /// for range in map.residency(..)? {
    ///     assert_eq!(range?, 5 * page..7 * page);
    /// }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range does not lie in the map.
    ///
    /// An item is an error if the kernel has no memory for the answer at the moment (`EAGAIN`); none follows then.
    ///
    /// # References
    ///
    /// [mincore(2)](https://man7.org/linux/man-pages/man2/mincore.2.html)
    #[doc(alias = "mincore")]
    pub fn residency(&self, range: impl RangeBounds<usize>) -> Result<Residency<'_>, Error> {
        let range = self.bytes_of(range)?;
        let runs = Runs::new(self.region().extent(), range, Mincore([0; ROOM]));
        Ok(Residency { runs })
    }
}
