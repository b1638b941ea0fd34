//! Memory policy: which NUMA nodes pages come from, and moving pages between nodes.
#![expect(
    unsafe_code,
    reason = "mbind can make a huge page that was reserved fail when it is touched"
)]

use core::ffi::{c_int, c_void};
use core::ptr;

use bitflags::bitflags;
use linux_raw_sys::{general, mempolicy as raw};

use crate::raw::syscall;
use crate::{Errno, Pid, Result};

/// How many nodes a [`NodeMask`] has room for: as many as a kernel can be built for.
const MAX_NODES: u32 = 1024;

/// Bits in one word of the kernel's node masks.
const WORD: u32 = usize::BITS;

/// What the kernel is told about the length of a [`NodeMask`], in bits plus 1: it takes one off before it reads or writes.
const MAXNODE: usize = MAX_NODES as usize + 1;

/// A set of NUMA nodes, with room for as many as a kernel can be built for (1024).
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, NodeMask};
///
/// let nodes = NodeMask::of(&[0, 3])?;
/// assert!(nodes.contains(3));
/// assert!(nodes.iter().eq([0, 3]));
/// assert_eq!(NodeMask::of(&[1024]), Err(Errno::INVAL));
/// # Ok::<(), Errno>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct NodeMask([usize; (MAX_NODES / WORD) as usize]);

impl NodeMask {
    /// Makes an empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; (MAX_NODES / WORD) as usize])
    }

    /// Makes a set of these nodes.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: a node is 1024 or more, which no kernel has.
    pub fn of(nodes: &[u32]) -> Result<Self> {
        let mut mask = Self::new();
        for &node in nodes {
            mask.insert(node)?;
        }
        Ok(mask)
    }

    /// Adds a node.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the node is 1024 or more, which no kernel has.
    pub fn insert(&mut self, node: u32) -> Result<()> {
        let word = self.0.get_mut((node / WORD) as usize).ok_or(Errno::INVAL)?;
        *word |= 1 << (node % WORD);
        Ok(())
    }

    /// Takes a node out.
    pub fn remove(&mut self, node: u32) {
        if let Some(word) = self.0.get_mut((node / WORD) as usize) {
            *word &= !(1 << (node % WORD));
        }
    }

    /// Returns whether a node is in the set.
    #[must_use]
    pub fn contains(&self, node: u32) -> bool {
        self.0
            .get((node / WORD) as usize)
            .is_some_and(|word| word & (1 << (node % WORD)) != 0)
    }

    /// Returns whether no node is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Returns how many nodes are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Iterates over the nodes in the set, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..MAX_NODES).filter(|&node| self.contains(node))
    }
}

impl Default for NodeMask {
    fn default() -> Self {
        Self::new()
    }
}

/// `MPOL_*`: how pages are spread over the nodes of a [`NodeMask`].
///
/// The kernel adds modes, so any number can be made; one that the kernel does not know is refused with `EINVAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Mpol(pub u32);

impl Mpol {
    /// `MPOL_DEFAULT`: no policy of its own; the mask must be empty.
    pub const DEFAULT: Self = Self(raw::MPOL_DEFAULT as u32);
    /// `MPOL_PREFERRED`: from the first node of the mask while it has memory; with an empty mask, from the local node.
    pub const PREFERRED: Self = Self(raw::MPOL_PREFERRED as u32);
    /// `MPOL_BIND`: only from the nodes of the mask; if they are full the allocation fails.
    pub const BIND: Self = Self(raw::MPOL_BIND as u32);
    /// `MPOL_INTERLEAVE`: page by page from each node of the mask in turn.
    pub const INTERLEAVE: Self = Self(raw::MPOL_INTERLEAVE as u32);
    /// `MPOL_LOCAL`: from the node of the CPU that touches the page first; the mask must be empty (since Linux 3.8).
    ///
    /// Before Linux 5.14 it reads back as `PREFERRED` with no node.
    pub const LOCAL: Self = Self(raw::MPOL_LOCAL as u32);
    /// `MPOL_PREFERRED_MANY`: from the nodes of the mask while they have memory (since Linux 5.15).
    pub const PREFERRED_MANY: Self = Self(raw::MPOL_PREFERRED_MANY as u32);
    /// `MPOL_WEIGHTED_INTERLEAVE`: as `INTERLEAVE`, in the proportions that the administrator set (since Linux 6.9).
    pub const WEIGHTED_INTERLEAVE: Self = Self(raw::MPOL_WEIGHTED_INTERLEAVE as u32);
}

bitflags! {
    /// `MPOL_F_*` as [`mbind`] and [`set_mempolicy`] take them beside an [`Mpol`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MpolModeFlags: u32 {
        /// `MPOL_F_STATIC_NODES`: the mask keeps its meaning when the allowed nodes of the thread change (since Linux 2.6.26).
        const STATIC_NODES = raw::MPOL_F_STATIC_NODES;
        /// `MPOL_F_RELATIVE_NODES`: the mask counts within the allowed nodes of the thread (since Linux 2.6.26).
        const RELATIVE_NODES = raw::MPOL_F_RELATIVE_NODES;
        /// `MPOL_F_NUMA_BALANCING`: with `BIND` or `PREFERRED_MANY`, the kernel may move pages between the nodes of the mask
        /// (since Linux 5.12; with [`mbind`] since Linux 5.15).
        const NUMA_BALANCING = raw::MPOL_F_NUMA_BALANCING;
        const _ = !0;
    }
}

bitflags! {
    /// `MPOL_F_*` as [`get_mempolicy`] takes them: what is asked.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct GetMempolicyFlags: u32 {
        /// `MPOL_F_NODE`: a node instead of a mode.
        const NODE = raw::MPOL_F_NODE;
        /// `MPOL_F_ADDR`: about the mapping at an address instead of the calling thread.
        const ADDR = raw::MPOL_F_ADDR;
        /// `MPOL_F_MEMS_ALLOWED`: the nodes that the calling thread may use at all.
        const MEMS_ALLOWED = raw::MPOL_F_MEMS_ALLOWED;
        const _ = !0;
    }
}

bitflags! {
    /// `MPOL_MF_*` as [`mbind`] takes them: what happens to pages that are there already.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MbindFlags: u32 {
        /// `MPOL_MF_STRICT`: fail with `EIO` if a page does not follow the policy.
        const STRICT = raw::MPOL_MF_STRICT;
        /// `MPOL_MF_MOVE`: move pages that only this process maps.
        const MOVE = raw::MPOL_MF_MOVE;
        /// `MPOL_MF_MOVE_ALL`: move pages that others map too; needs `CAP_SYS_NICE`.
        const MOVE_ALL = raw::MPOL_MF_MOVE_ALL;
        const _ = !0;
    }
}

bitflags! {
    /// `MPOL_MF_*` as [`move_pages`] takes them: which pages may be moved.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct MovePagesFlags: u32 {
        /// `MPOL_MF_MOVE`: pages that only this process maps.
        const MOVE = raw::MPOL_MF_MOVE;
        /// `MPOL_MF_MOVE_ALL`: pages that others map too; needs `CAP_SYS_NICE`.
        const MOVE_ALL = raw::MPOL_MF_MOVE_ALL;
        const _ = !0;
    }
}

/// What the kernel says about a policy: mode, flags and nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mempolicy {
    /// How pages are spread.
    pub mode: Mpol,
    /// The flags that the policy was set with.
    pub flags: MpolModeFlags,
    /// The nodes that the policy names; empty for modes that take none.
    pub nodes: NodeMask,
}

/// Where a page is, or why that cannot be said: one element of the answer of [`move_pages`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct PageStatus(c_int);

impl PageStatus {
    /// Returns the node of the page.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: no page is there; some older kernels say `EFAULT`.
    /// - `EFAULT`: nothing is mapped there, or it is the zero page.
    /// - `EACCES`: the page is mapped by others too, and `MOVE_ALL` was not given.
    /// - `EBUSY`, `EIO`, `ENOMEM`: the page could not be moved now.
    pub const fn node(self) -> Result<u32> {
        match self.0 {
            node @ 0.. => Ok(node as u32),
            error => Err(Errno::from_raw_os_error(error.wrapping_neg())),
        }
    }
}

/// `mbind(addr, len, mode | mode_flags, nodes, maxnode, flags)`—Sets the memory policy of a range.
///
/// `addr` is page aligned; `len` is in bytes and is rounded up to pages. The policy applies to pages that are made from now
/// on; `flags` say what happens to those that are there. On a huge page map the range must be aligned to its page size.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MapFlags, MbindFlags, Mpol, MpolModeFlags, NodeMask, ProtFlags};
/// use mmarinus_sys::{get_mempolicy_mems_allowed, mbind, mmap_anonymous, munmap, page_size};
///
/// let nodes = match get_mempolicy_mems_allowed() {
///     Err(Errno::NOSYS) => return Ok(()), // a kernel without NUMA
///     nodes => nodes?,
/// };
/// let len = page_size();
/// // SAFETY: no address is asked for, so nothing is replaced.
/// let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE)? };
/// // SAFETY: the range is ours.
/// unsafe { mbind(addr.as_ptr(), len, Mpol::INTERLEAVE, MpolModeFlags::empty(), &nodes, MbindFlags::empty())? };
/// // SAFETY: as above, and nobody borrows from it.
/// unsafe { munmap(addr.as_ptr(), len)? };
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EFAULT`: part of the range is not mapped.
/// - `EINVAL`: `addr` is not page aligned, `len` overflows, the mode or a flag is unknown, `nodes` names no node that is
///   there and allowed, is empty where the mode needs one, or is not empty where the mode takes none.
/// - `EIO`: with `STRICT`, a page does not follow the policy or could not be moved.
/// - `ENOMEM`: the change would need more mappings than `vm.max_map_count`.
/// - `ENOSYS`: the kernel is built without NUMA.
/// - `EPERM`: `MOVE_ALL` without `CAP_SYS_NICE`.
///
/// A call over several maps that fails may have set the policy of the first ones.
///
/// # Safety
///
/// The range must be [owned](crate#safety). A huge page of it that is not there yet may turn into a `SIGBUS` for whoever
/// touches it, since the pages that are reserved for the map may lie on other nodes.
///
/// # References
///
/// [mbind(2)](https://man7.org/linux/man-pages/man2/mbind.2.html)
pub unsafe fn mbind(
    addr: *mut c_void,
    len: usize,
    mode: Mpol,
    mode_flags: MpolModeFlags,
    nodes: &NodeMask,
    flags: MbindFlags,
) -> Result<()> {
    let mode = mode.0 | mode_flags.bits();
    let nodes = nodes.0.as_ptr().expose_provenance();
    let args = [
        addr.addr(),
        len,
        mode as usize,
        nodes,
        MAXNODE,
        flags.bits() as usize,
    ];
    // SAFETY:
    // - The caller owns the range, and answers for what the policy does to it.
    // - The mask is valid for reads of `MAXNODE - 1` bits, which is what the kernel reads.
    unsafe { syscall(general::__NR_mbind as _, args)? };
    Ok(())
}

/// `set_mempolicy(mode | mode_flags, nodes, maxnode)`—Sets the memory policy of the calling thread.
///
/// It applies to pages that this thread touches first, where the mapping has no policy of its own ([`mbind`]). Children
/// inherit it.
///
/// With `BIND` a page that this thread touches first can fail to be had: the process may be killed for want of memory, and a
/// page of a huge page map may be a `SIGBUS`, although it is reserved, as under a limit of a cgroup. Whoever lends out such a
/// map makes its pages present before.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, Mpol, MpolModeFlags, NodeMask, set_mempolicy};
///
/// match set_mempolicy(Mpol::LOCAL, MpolModeFlags::empty(), &NodeMask::new()) {
///     Err(Errno::NOSYS) => {} // a kernel without NUMA
///     set => set?,
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: the mode or a flag is unknown, `nodes` names no node that is there and allowed, is empty where the mode needs
///   one, or is not empty where the mode takes none.
/// - `ENOMEM`: no memory for the policy.
/// - `ENOSYS`: the kernel is built without NUMA.
///
/// # References
///
/// [set_mempolicy(2)](https://man7.org/linux/man-pages/man2/set_mempolicy.2.html)
pub fn set_mempolicy(mode: Mpol, mode_flags: MpolModeFlags, nodes: &NodeMask) -> Result<()> {
    let mode = mode.0 | mode_flags.bits();
    let nodes = nodes.0.as_ptr().expose_provenance();
    // SAFETY:
    // - The policy of a thread says where new pages come from; a page that is there stays as it is.
    // - The mask is valid for reads of `MAXNODE - 1` bits, which is what the kernel reads.
    unsafe {
        syscall(
            general::__NR_set_mempolicy as _,
            [mode as usize, nodes, MAXNODE, 0, 0, 0],
        )?
    };
    Ok(())
}

/// `set_mempolicy_home_node(addr, len, home_node, 0)`—Sets the node that a range's policy starts from (since Linux 5.17).
///
/// Pages come from `home_node`, or else from the node of the policy that is nearest to it. The range must have a `BIND` or
/// `PREFERRED_MANY` policy from [`mbind`]. `addr` is page aligned; `len` is in bytes and is rounded up to pages.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, set_mempolicy_home_node};
///
/// // A range of no bytes tells whether the kernel has the call.
/// match set_mempolicy_home_node(core::ptr::null_mut(), 0, 0) {
///     Ok(()) => println!("there"),
///     Err(errno) => println!("not there: {errno}"),
/// }
/// ```
///
/// # Errors
///
/// - `EINVAL`: `addr` is not page aligned, `len` overflows, or the node is not online.
/// - `ENOENT`: a mapping of the range has no policy of its own.
/// - `ENOSYS`: the kernel is older than 5.17 or built without NUMA.
/// - `EOPNOTSUPP`: a policy of the range is neither `BIND` nor `PREFERRED_MANY`.
///
/// A call over several maps that fails may have changed the first ones.
///
/// # References
///
/// [NUMA memory policy](https://docs.kernel.org/admin-guide/mm/numa_memory_policy.html)
pub fn set_mempolicy_home_node(addr: *mut c_void, len: usize, home_node: usize) -> Result<()> {
    let args = [addr.addr(), len, home_node, 0, 0, 0];
    // SAFETY: which allowed node a page comes from first changes no page and can make no access fail.
    unsafe { syscall(general::__NR_set_mempolicy_home_node as _, args)? };
    Ok(())
}

/// `get_mempolicy(&mode, nodes, maxnode, addr, flags)`—Asks for a policy, by flags.
///
/// Returns the number that the kernel gives, and the nodes. For the questions that have a meaning there are
/// [`get_mempolicy_of_thread`], [`get_mempolicy_at`], [`get_mempolicy_node_at`], [`get_mempolicy_next_node`] and
/// [`get_mempolicy_mems_allowed`].
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, GetMempolicyFlags, get_mempolicy};
///
/// match get_mempolicy(core::ptr::null(), GetMempolicyFlags::MEMS_ALLOWED) {
///     Ok((_, nodes)) => assert!(!nodes.is_empty()),
///     Err(errno) => assert_eq!(errno, Errno::NOSYS), // a kernel without NUMA
/// }
/// ```
///
/// # Errors
///
/// - `EFAULT`: with `ADDR`, nothing is mapped at `addr`.
/// - `EINVAL`: a flag is unknown; `MEMS_ALLOWED` with another flag; `addr` without `ADDR`; `NODE` without `ADDR` where the
///   thread's policy does not interleave.
/// - `ENOSYS`: the kernel is built without NUMA.
///
/// # References
///
/// [get_mempolicy(2)](https://man7.org/linux/man-pages/man2/get_mempolicy.2.html)
pub fn get_mempolicy(addr: *const c_void, flags: GetMempolicyFlags) -> Result<(c_int, NodeMask)> {
    let mut mode: c_int = 0;
    let mut nodes = NodeMask::new();
    let mode_out = ptr::from_mut(&mut mode).expose_provenance();
    let nodes_out = nodes.0.as_mut_ptr().expose_provenance();
    let args = [
        mode_out,
        nodes_out,
        MAXNODE,
        addr.addr(),
        flags.bits() as usize,
        0,
    ];
    // SAFETY:
    // - `mode` is valid for writes of an `int`.
    // - The mask is valid for writes of `MAXNODE - 1` bits, which is what the kernel writes.
    // - At `addr` the kernel at most makes the page present, as a read would.
    unsafe { syscall(general::__NR_get_mempolicy as _, args)? };
    Ok((mode, nodes))
}

/// Takes mode and flags apart, which the kernel returns as one number.
fn policy((mode, nodes): (c_int, NodeMask)) -> Mempolicy {
    let flags = MpolModeFlags::from_bits_retain(mode as u32 & raw::MPOL_MODE_FLAGS);
    Mempolicy {
        mode: Mpol(mode as u32 & !raw::MPOL_MODE_FLAGS),
        flags,
        nodes,
    }
}

/// `get_mempolicy(&mode, nodes, maxnode, NULL, 0)`—Returns the policy of the calling thread.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, get_mempolicy_of_thread};
///
/// match get_mempolicy_of_thread() {
///     Ok(policy) => println!("{:?}", policy.mode),
///     Err(errno) => assert_eq!(errno, Errno::NOSYS), // a kernel without NUMA
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
#[doc(alias = "get_mempolicy")]
pub fn get_mempolicy_of_thread() -> Result<Mempolicy> {
    get_mempolicy(ptr::null(), GetMempolicyFlags::empty()).map(policy)
}

/// `get_mempolicy(&mode, nodes, maxnode, addr, MPOL_F_ADDR)`—Returns the policy that holds for the mapping at an address.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, Mpol, get_mempolicy_at};
///
/// let local = 0u8;
/// match get_mempolicy_at((&raw const local).cast()) {
///     Ok(policy) => assert_eq!(policy.mode, Mpol::DEFAULT),
///     Err(errno) => assert_eq!(errno, Errno::NOSYS), // a kernel without NUMA
/// }
/// ```
///
/// # Errors
///
/// - `EFAULT`: nothing is mapped at `addr`.
/// - `ENOSYS`: the kernel is built without NUMA.
///
/// # References
///
/// [get_mempolicy(2)](https://man7.org/linux/man-pages/man2/get_mempolicy.2.html)
#[doc(alias = "get_mempolicy")]
pub fn get_mempolicy_at(addr: *const c_void) -> Result<Mempolicy> {
    get_mempolicy(addr, GetMempolicyFlags::ADDR).map(policy)
}

/// `get_mempolicy(&node, NULL, 0, addr, MPOL_F_NODE | MPOL_F_ADDR)`—Returns the node of the page at an address.
///
/// If no page is there one is made, as by a read.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, get_mempolicy_node_at};
///
/// let local = 0u8;
/// match get_mempolicy_node_at((&raw const local).cast()) {
///     Ok(node) => println!("the stack is on node {node}"),
///     Err(errno) => assert_eq!(errno, Errno::NOSYS), // a kernel without NUMA
/// }
/// ```
///
/// # Errors
///
/// - `EFAULT`: nothing is mapped at `addr`, or a read of it would fault.
/// - `ENOSYS`: the kernel is built without NUMA.
///
/// # References
///
/// [get_mempolicy(2)](https://man7.org/linux/man-pages/man2/get_mempolicy.2.html)
#[doc(alias = "get_mempolicy")]
pub fn get_mempolicy_node_at(addr: *const c_void) -> Result<u32> {
    let (node, _) = get_mempolicy(addr, GetMempolicyFlags::NODE | GetMempolicyFlags::ADDR)?;
    Ok(node as u32)
}

/// `get_mempolicy(&node, NULL, 0, NULL, MPOL_F_NODE)`—Returns the node that the calling thread's next interleaved page comes
/// from.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, get_mempolicy_next_node};
///
/// match get_mempolicy_next_node() {
///     Ok(node) => println!("next: {node}"),
///     Err(Errno::INVAL) => {} // the thread's policy does not interleave
///     Err(errno) => assert_eq!(errno, Errno::NOSYS), // a kernel without NUMA
/// }
/// ```
///
/// # Errors
///
/// - `EINVAL`: the policy of the thread is neither `INTERLEAVE` nor `WEIGHTED_INTERLEAVE`.
/// - `ENOSYS`: the kernel is built without NUMA.
///
/// # References
///
/// [get_mempolicy(2)](https://man7.org/linux/man-pages/man2/get_mempolicy.2.html)
#[doc(alias = "get_mempolicy")]
pub fn get_mempolicy_next_node() -> Result<u32> {
    let (node, _) = get_mempolicy(ptr::null(), GetMempolicyFlags::NODE)?;
    Ok(node as u32)
}

/// `get_mempolicy(NULL, nodes, maxnode, NULL, MPOL_F_MEMS_ALLOWED)`—Returns the nodes that the calling thread may use.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, get_mempolicy_mems_allowed};
///
/// match get_mempolicy_mems_allowed() {
///     Ok(nodes) => assert!(nodes.len() >= 1),
///     Err(errno) => assert_eq!(errno, Errno::NOSYS), // a kernel without NUMA
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
#[doc(alias = "get_mempolicy")]
pub fn get_mempolicy_mems_allowed() -> Result<NodeMask> {
    let (_, nodes) = get_mempolicy(ptr::null(), GetMempolicyFlags::MEMS_ALLOWED)?;
    Ok(nodes)
}

/// `move_pages(pid, pages.len(), pages, nodes, status, flags)`—Moves single pages to nodes.
///
/// `pages[i]` is moved to `nodes[i]`, and `status[i]` says where it is now or why it was not moved. `None` is the calling
/// process. Returns how many pages were not moved, for reasons that are no error of the call; look at `status` then. Where the
/// kernel stops early, the elements that it did not come to keep what they held.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, MovePagesFlags, PageStatus, get_mempolicy_node_at, move_pages};
///
/// let data = vec![1u8; 4096];
/// let page = data.as_ptr().cast();
/// let node = match get_mempolicy_node_at(page) {
///     Err(Errno::NOSYS) => return Ok(()), // a kernel without NUMA
///     node => node?,
/// };
/// let mut status = [PageStatus::default()];
/// move_pages(None, &[page], &[node as i32], &mut status, MovePagesFlags::MOVE)?;
/// assert_eq!(status[0].node(), Ok(node));
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EACCES`: a node is not allowed for that process.
/// - `EINVAL`: the slices differ in length, or a flag is unknown.
/// - `ENODEV`: a node is not online. Pages before it may have been moved.
/// - `ENOSYS`: the kernel is built without NUMA.
/// - `EPERM`: `MOVE_ALL` or another process without the privilege.
/// - `ESRCH`: no such process.
///
/// # References
///
/// [move_pages(2)](https://man7.org/linux/man-pages/man2/move_pages.2.html)
pub fn move_pages(
    pid: Option<Pid>,
    pages: &[*const c_void],
    nodes: &[c_int],
    status: &mut [PageStatus],
    flags: MovePagesFlags,
) -> Result<usize> {
    if nodes.len() != pages.len() {
        return Err(Errno::INVAL);
    }
    move_or_ask(pid, pages, nodes.as_ptr(), status, flags)
}

/// `move_pages(pid, pages.len(), pages, NULL, status, 0)`—Asks which node each page is on, and moves nothing.
///
/// `None` is the calling process.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, PageStatus, move_pages_status};
///
/// let data = vec![1u8; 4096];
/// let mut status = [PageStatus::default()];
/// match move_pages_status(None, &[data.as_ptr().cast()], &mut status) {
///     Ok(()) => println!("on node {}", status[0].node()?),
///     Err(errno) => assert_eq!(errno, Errno::NOSYS), // a kernel without NUMA
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: the slices differ in length.
/// - `ENOSYS`: the kernel is built without NUMA.
/// - `EPERM`: another process without the privilege.
/// - `ESRCH`: no such process.
///
/// # References
///
/// [move_pages(2)](https://man7.org/linux/man-pages/man2/move_pages.2.html)
#[doc(alias = "move_pages")]
pub fn move_pages_status(
    pid: Option<Pid>,
    pages: &[*const c_void],
    status: &mut [PageStatus],
) -> Result<()> {
    move_or_ask(pid, pages, ptr::null(), status, MovePagesFlags::empty())?;
    Ok(())
}

/// The call behind [`move_pages`] and [`move_pages_status`]; `nodes` is null or has as many elements as `pages`.
fn move_or_ask(
    pid: Option<Pid>,
    pages: &[*const c_void],
    nodes: *const c_int,
    status: &mut [PageStatus],
    flags: MovePagesFlags,
) -> Result<usize> {
    if status.len() != pages.len() {
        return Err(Errno::INVAL);
    }
    let args = [
        Pid::as_raw(pid) as usize,
        pages.len(),
        pages.as_ptr().expose_provenance(),
        nodes.expose_provenance(),
        status.as_mut_ptr().expose_provenance(),
        flags.bits() as usize,
    ];
    // SAFETY:
    // - `pages` and, where it is not null, `nodes` are valid for reads of `pages.len()` elements.
    // - `status` is valid for writes of as many, and any `int` is a valid `PageStatus`.
    // - A page that moves keeps its address and its bytes.
    unsafe { syscall(general::__NR_move_pages as _, args) }
}

/// `migrate_pages(pid, maxnode, from, to)`—Moves all pages of a process from some nodes to others.
///
/// `None` is the calling process. Returns how many pages could not be moved.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, get_mempolicy_mems_allowed, migrate_pages};
///
/// match get_mempolicy_mems_allowed() {
///     Ok(nodes) => assert_eq!(migrate_pages(None, &nodes, &nodes)?, 0), // from where they are to where they are
///     Err(errno) => assert_eq!(errno, Errno::NOSYS), // a kernel without NUMA
/// }
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EINVAL`: `to` names no node that is online and that the process may use.
/// - `ENOSYS`: the kernel is built without NUMA.
/// - `EPERM`: another process, or a node outside its allowed ones, without the privilege.
/// - `ESRCH`: no such process.
///
/// # References
///
/// [migrate_pages(2)](https://man7.org/linux/man-pages/man2/migrate_pages.2.html)
pub fn migrate_pages(pid: Option<Pid>, from: &NodeMask, to: &NodeMask) -> Result<usize> {
    let from = from.0.as_ptr().expose_provenance();
    let to = to.0.as_ptr().expose_provenance();
    // SAFETY:
    // - Both masks are valid for reads of `MAXNODE - 1` bits, which is what the kernel reads.
    // - A page that moves keeps its address and its bytes.
    unsafe {
        syscall(
            general::__NR_migrate_pages as _,
            [Pid::as_raw(pid) as usize, MAXNODE, from, to, 0, 0],
        )
    }
}
