//! The policy of a range of a map.

use core::ops::RangeBounds;

use mmarinus_sys::{ProtFlags, get_mempolicy_at};

use super::policy::no_such_node;
use super::{Existing, NodeMask, Policy};
use crate::backing::Backing;
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Sets the policy for the pages around a range of bytes: `mbind`.
    ///
    /// It holds for pages that are made from now on; `existing` says what happens to those that are there. Pages of a file
    /// that others brought in stay where they are. The policy of shared memory holds for all who share it.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::numa::{self, Existing, Policy};
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// let map = Map::bytes(1 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
    /// let nodes = match numa::allowed() {
    ///     Err(error) if error.errno() == Errno::NOSYS => return Ok(()), // a kernel without NUMA
    ///     nodes => nodes?,
    /// };
    /// map.set_policy(.., &Policy::interleave(nodes), Existing::Move)?;
    /// assert_eq!(map.policy_at(0)?.nodes(), &nodes);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Part of the range may have the policy then.
    ///
    /// - `EINVAL`: the range does not lie in the map; the policy names no node that is there and allowed, or none where it needs
    ///   one; or the kernel is too old for it.
    /// - `EIO`: a page that is there does not follow the policy, or could not be moved. New pages follow it, unless they were
    ///   only to be checked.
    /// - `ENOMEM`: `vm.max_map_count`, or no memory.
    /// - `ENOSYS`: the kernel is built without NUMA.
    /// - `EPERM`: [`Existing::MoveAll`] without `CAP_SYS_NICE`.
    ///
    /// # References
    ///
    /// [mbind(2)](https://man7.org/linux/man-pages/man2/mbind.2.html)
    #[doc(alias = "mbind")]
    pub fn set_policy(
        &self,
        range: impl RangeBounds<usize>,
        policy: &Policy,
        existing: Existing,
    ) -> Result<(), Error> {
        let range = self.bytes_of(range)?;
        let figures = [range.len(), self.addr() + range.start];
        let failed = |errno| Cause::kernel(Operation::Mbind, errno, figures);
        // Pages of a pool that are not there yet could be on other nodes alone, and then touching them is SIGBUS. So they are all
        // there before, as they are since the map is accessible.
        let needed = ProtFlags::READ | ProtFlags::WRITE;
        if self.region().is_huge() && self.permissions().intersects(needed) && !self.is_empty() {
            let (address, len) = self.pages();
            let failed = |errno| Cause::kernel(Operation::PopulateHuge, errno, [len, address]);
            self.region().populate(self.permissions()).map_err(failed)?;
        }
        self.region()
            .set_policy(range, policy.parts(), existing.flags())
            .map_err(|errno| failed(errno).into())
    }

    /// Sets the node that pages around a range come from first, while its policy allows: `set_mempolicy_home_node` (since Linux
    /// 5.17).
    ///
    /// The policy of the range is [`bind`](Policy::bind) or [`preferred_many`](Policy::preferred_many), set before. The kernel
    /// has no call that tells the home node.
    ///
    /// # Errors
    ///
    /// Part of the range may have the home node then.
    ///
    /// - `EINVAL`: the range does not lie in the map, or the node is not there.
    /// - `ENOENT`: part of the range has no policy of its own.
    /// - `ENOMEM`: `vm.max_map_count`, or no memory.
    /// - `ENOSYS`: the kernel is older than 5.17, or built without NUMA.
    /// - `EOPNOTSUPP`: another policy.
    ///
    /// # References
    ///
    /// [NUMA memory policy](https://docs.kernel.org/admin-guide/mm/numa_memory_policy.html)
    #[doc(alias = "set_mempolicy_home_node")]
    pub fn set_home_node(&self, range: impl RangeBounds<usize>, node: u32) -> Result<(), Error> {
        let range = self.bytes_of(range)?;
        if NodeMask::of(&[node]).is_err() {
            return Err(no_such_node(node).into());
        }
        let figures = [range.len(), self.addr() + range.start];
        self.region()
            .set_home_node(range, node as usize)
            .map_err(|errno| Cause::kernel(Operation::HomeNode, errno, figures).into())
    }

    /// Returns the policy that holds where a byte is: `get_mempolicy` with `MPOL_F_ADDR`.
    ///
    /// Parts of a map can have different policies.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the map has no such byte.
    /// - `ENOSYS`: the kernel is built without NUMA.
    /// - `EOPNOTSUPP`: a policy that is newer than this crate.
    ///
    /// # References
    ///
    /// [get_mempolicy(2)](https://man7.org/linux/man-pages/man2/get_mempolicy.2.html)
    #[doc(alias = "get_mempolicy")]
    pub fn policy_at(&self, offset: usize) -> Result<Policy, Error> {
        let figures = [1, self.addr().wrapping_add(offset)];
        if offset >= self.len() {
            let figures = [offset, offset.saturating_add(1)];
            return Err(Cause::refused(Operation::View, Reason::OutOfRange, figures).into());
        }
        let address = self.as_ptr().wrapping_add(offset).cast();
        let policy = get_mempolicy_at(address)
            .map_err(|errno| Cause::kernel(Operation::GetMempolicy, errno, figures))?;
        Policy::of_kernel(&policy).ok_or_else(|| {
            Cause::refused(Operation::GetMempolicy, Reason::UnknownPolicy, figures).into()
        })
    }
}
