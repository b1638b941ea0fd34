//! NUMA: which nodes of the machine the pages of a map come from, and lie on.
//!
//! A [`Policy`] says where pages are made from now on: [`Map::set_policy`](crate::Map::set_policy),
//! [`set_home_node`](crate::Map::set_home_node), [`policy_at`](crate::Map::policy_at). Pages that are there are moved by
//! [`migrate`](crate::Map::migrate), and found by [`page_nodes`](crate::Map::page_nodes). None of it changes a byte.
//!
//! A kernel that is built without NUMA says `ENOSYS` to all of it. One with a single node takes what names that node.
//!
//! # References
//!
//! [numa(7)](https://man7.org/linux/man-pages/man7/numa.7.html)

mod pages;
mod policy;
mod range;

use mmarinus_sys::get_mempolicy_mems_allowed;

pub use mmarinus_sys::NodeMask;
pub use pages::PageNodes;
pub use policy::{Existing, Mode, Policy};

use crate::error::{Cause, Error, Operation};

/// Returns the nodes that the calling thread may have memory from: `get_mempolicy` with `MPOL_F_MEMS_ALLOWED`.
///
/// # Examples
///
/// ```
/// use mmarinus::{Errno, numa};
///
/// match numa::allowed() {
///     Ok(nodes) => println!("{:?}", nodes.iter().collect::<Vec<_>>()),
///     Err(error) => assert_eq!(error.errno(), Errno::NOSYS), // a kernel without NUMA
/// }
/// ```
///
/// # Errors
///
/// - `ENOSYS`: the kernel is built without NUMA.
///
/// # References
///
/// [get_mempolicy(2)](https://man7.org/linux/man-pages/man2/get_mempolicy.2.html)
pub fn allowed() -> Result<NodeMask, Error> {
    get_mempolicy_mems_allowed()
        .map_err(|errno| Cause::kernel(Operation::GetMempolicy, errno, [0, 0]).into())
}
