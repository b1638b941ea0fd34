//! The nodes that pages of a map lie on: asked, and changed.

use core::ffi::c_void;
use core::iter::FusedIterator;
use core::ops::{Range, RangeBounds};
use core::ptr;

use mmarinus_sys::{Errno, MovePagesFlags, PageStatus, move_pages, move_pages_status, page_size};

use super::NodeMask;
use super::policy::no_such_node;
use crate::backing::Backing;
use crate::error::{Cause, Error, Operation};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;
use crate::runs::{Ask, ROOM, Runs};

/// The ranges of bytes whose pages lie on the same node, lowest first, and the node: what [`Map::page_nodes`] returns.
#[derive(Debug)]
pub struct PageNodes<'m> {
    runs: Runs<'m, Status>,
}

/// The question, and the answer for each page.
#[derive(Debug)]
struct Status([PageStatus; ROOM]);

/// The addresses of pages side by side.
fn addresses(first: *const c_void) -> [*const c_void; ROOM] {
    let mut addresses = [ptr::null(); ROOM];
    for (index, address) in addresses.iter_mut().enumerate() {
        *address = first.wrapping_byte_add(index * page_size());
    }
    addresses
}

impl Ask for Status {
    type State = u32;

    const OPERATION: Operation = Operation::MovePages;

    fn ask(&mut self, first: *const c_void, pages: usize) -> Result<(), Errno> {
        move_pages_status(None, &addresses(first)[..pages], &mut self.0[..pages])
    }

    fn answer(&self, page: usize) -> Option<u32> {
        self.0[page].node().ok()
    }
}

impl Iterator for PageNodes<'_> {
    type Item = Result<(Range<usize>, u32), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runs.next()
    }
}

impl FusedIterator for PageNodes<'_> {}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Tells which bytes of a range lie on which node: `move_pages` without nodes.
    ///
    /// Each item is a range of bytes of the map, as long as it can be, and the node of its pages; between them is what this
    /// process has not in memory. The page of zeros that all share lies on no node. The kernel is asked about 64 pages at a time,
    /// when their turn comes; nothing is allocated.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// let mut map = Map::bytes(1 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map.fill(1);
    /// for run in map.page_nodes(..)? {
    ///     match run {
    ///         Ok((range, node)) => println!("{range:?} on node {node}"),
    ///         Err(error) => assert_eq!(error.errno(), Errno::NOSYS), // a kernel without NUMA
    ///     }
    /// }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range does not lie in the map.
    ///
    /// An item is an error, and the last, if the kernel is built without NUMA (`ENOSYS`) or has no memory for the work.
    ///
    /// # References
    ///
    /// [move_pages(2)](https://man7.org/linux/man-pages/man2/move_pages.2.html)
    #[doc(alias = "move_pages")]
    pub fn page_nodes(&self, range: impl RangeBounds<usize>) -> Result<PageNodes<'_>, Error> {
        let range = self.bytes_of(range)?;
        let status = Status([PageStatus::default(); ROOM]);
        let runs = Runs::new(self.region().extent(), range, status);
        Ok(PageNodes { runs })
    }

    /// Moves the pages around a range of bytes to a node, those that no other process maps: `move_pages` with `MPOL_MF_MOVE`.
    ///
    /// Addresses and bytes stay. Returns how many bytes of whole pages lie on the node now; pages that are not there, or cannot
    /// be moved now, are no error. Later pages come from where the [policy](Self::set_policy) says.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::numa::allowed;
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// let mut map = Map::bytes(1 << 16).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map.fill(1);
    /// let nodes = match allowed() {
    ///     Err(error) if error.errno() == Errno::NOSYS => return Ok(()), // a kernel without NUMA
    ///     nodes => nodes?,
    /// };
    /// for node in nodes.iter() {
    ///     println!("{} of {} bytes are on node {node}", map.migrate(.., node)?, map.len());
    /// }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Some pages may have moved then.
    ///
    /// - `EACCES`: the node is not one that the process may use.
    /// - `EINVAL`: the range does not lie in the map, or the node is 1024 or more.
    /// - `ENODEV`: the node is not there.
    /// - `ENOSYS`: the kernel is built without NUMA.
    ///
    /// # References
    ///
    /// [move_pages(2)](https://man7.org/linux/man-pages/man2/move_pages.2.html)
    #[doc(alias = "move_pages")]
    pub fn migrate(&self, range: impl RangeBounds<usize>, node: u32) -> Result<usize, Error> {
        self.migrate_with(range, node, MovePagesFlags::MOVE)
    }

    /// Moves the pages around a range of bytes to a node, also those that other processes map: `move_pages` with
    /// `MPOL_MF_MOVE_ALL`.
    ///
    /// As [`migrate`](Self::migrate).
    ///
    /// # Errors
    ///
    /// As for [`migrate`](Self::migrate); `EPERM` without `CAP_SYS_NICE`.
    pub fn migrate_all(&self, range: impl RangeBounds<usize>, node: u32) -> Result<usize, Error> {
        self.migrate_with(range, node, MovePagesFlags::MOVE_ALL)
    }

    /// Moves pages.
    fn migrate_with(
        &self,
        range: impl RangeBounds<usize>,
        node: u32,
        flags: MovePagesFlags,
    ) -> Result<usize, Error> {
        let range = self.bytes_of(range)?;
        if NodeMask::of(&[node]).is_err() {
            return Err(no_such_node(node).into());
        }
        let (start, len) = self.region().around(range);
        let failed = |errno| Cause::kernel(Operation::MovePages, errno, [len, start.addr()]);
        let nodes = [node as i32; ROOM];
        let mut there = 0;
        for first in (0..len).step_by(ROOM * page_size()) {
            let pages = ((len - first) / page_size()).min(ROOM);
            let addresses = addresses(start.wrapping_byte_add(first).cast_const());
            let addresses = &addresses[..pages];
            let mut status = [PageStatus::default(); ROOM];
            let status = &mut status[..pages];
            match move_pages(None, addresses, &nodes[..pages], status, flags) {
                // Some kernels say so if no page is there.
                Ok(_) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(errno).into()),
            }
            // Where it stopped early it says nothing of the rest.
            move_pages_status(None, addresses, status).map_err(failed)?;
            there += status
                .iter()
                .filter(|status| status.node() == Ok(node))
                .count();
        }
        Ok(there * page_size())
    }
}
