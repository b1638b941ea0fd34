//! Policies as values: how pages are spread over a set of nodes.

use mmarinus_sys::{MbindFlags, Mempolicy, Mpol, MpolModeFlags, NodeMask};

use crate::error::{Cause, Error, Operation, Reason};

/// Where the pages of a range are made: how, and on which nodes.
///
/// There is no way from a number to a policy: what an unknown one does is not known.
///
/// # Examples
///
/// ```
/// use mmarinus::numa::{Mode, NodeMask, Policy};
///
/// let policy = Policy::interleave(NodeMask::of(&[0, 1]).expect("nodes below 1024"));
/// assert_eq!(policy.mode(), Mode::Interleave);
/// assert!(policy.nodes().iter().eq([0, 1]));
/// ```
///
/// # References
///
/// [set_mempolicy(2)](https://man7.org/linux/man-pages/man2/set_mempolicy.2.html),
/// [mbind(2)](https://man7.org/linux/man-pages/man2/mbind.2.html)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    mode: Mode,
    flags: MpolModeFlags,
    nodes: NodeMask,
}

/// How a [`Policy`] spreads pages over its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// `MPOL_DEFAULT`: as the policy of the thread that touches a page first says.
    Default,
    /// `MPOL_LOCAL`: on the node of the CPU that touches a page first.
    Local,
    /// `MPOL_PREFERRED`: on one node, while it has memory.
    Preferred,
    /// `MPOL_PREFERRED_MANY`: on some nodes, while they have memory (since Linux 5.15).
    PreferredMany,
    /// `MPOL_BIND`: only on some nodes; if they are full, the kernel ends a process for want of memory.
    Bind,
    /// `MPOL_INTERLEAVE`: page by page on each of some nodes in turn.
    Interleave,
    /// `MPOL_WEIGHTED_INTERLEAVE`: as `Interleave`, in the proportions that the administrator set (since Linux 6.9).
    WeightedInterleave,
}

/// What [`Map::set_policy`](crate::Map::set_policy) does with pages that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Existing {
    /// They stay where they are.
    Stay,
    /// `MPOL_MF_STRICT`: it is an error if one of them lies where the policy would not put it; none is moved.
    Check,
    /// `MPOL_MF_MOVE` and `MPOL_MF_STRICT`: those that no other process maps are moved; it is an error if one does not follow.
    Move,
    /// `MPOL_MF_MOVE_ALL` and `MPOL_MF_STRICT`: all are moved, also those that other processes map; needs `CAP_SYS_NICE`.
    MoveAll,
}

impl Existing {
    pub(super) fn flags(self) -> MbindFlags {
        match self {
            Self::Stay => MbindFlags::empty(),
            Self::Check => MbindFlags::STRICT,
            Self::Move => MbindFlags::MOVE | MbindFlags::STRICT,
            Self::MoveAll => MbindFlags::MOVE_ALL | MbindFlags::STRICT,
        }
    }
}

impl Mode {
    fn number(self) -> Mpol {
        match self {
            Self::Default => Mpol::DEFAULT,
            Self::Local => Mpol::LOCAL,
            Self::Preferred => Mpol::PREFERRED,
            Self::PreferredMany => Mpol::PREFERRED_MANY,
            Self::Bind => Mpol::BIND,
            Self::Interleave => Mpol::INTERLEAVE,
            Self::WeightedInterleave => Mpol::WEIGHTED_INTERLEAVE,
        }
    }
}

impl Policy {
    /// No policy of its own: that of the thread which touches a page first.
    pub const DEFAULT: Self = Self::new(Mode::Default, NodeMask::new());

    /// The node of the CPU that touches a page first, whatever the policy of the thread is.
    pub const LOCAL: Self = Self::new(Mode::Local, NodeMask::new());

    const fn new(mode: Mode, nodes: NodeMask) -> Self {
        Self {
            mode,
            flags: MpolModeFlags::empty(),
            nodes,
        }
    }

    /// One node, while it has memory.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the node is 1024 or more, which no kernel has.
    pub fn preferred(node: u32) -> Result<Self, Error> {
        let mut nodes = NodeMask::new();
        match nodes.insert(node) {
            Ok(()) => Ok(Self::new(Mode::Preferred, nodes)),
            Err(_) => Err(no_such_node(node).into()),
        }
    }

    /// Some nodes, while they have memory (since Linux 5.15).
    #[must_use]
    pub fn preferred_many(nodes: NodeMask) -> Self {
        Self::new(Mode::PreferredMany, nodes)
    }

    /// Only some nodes.
    #[must_use]
    pub fn bind(nodes: NodeMask) -> Self {
        Self::new(Mode::Bind, nodes)
    }

    /// Page by page, each of some nodes in turn.
    #[must_use]
    pub fn interleave(nodes: NodeMask) -> Self {
        Self::new(Mode::Interleave, nodes)
    }

    /// As [`interleave`](Self::interleave), in the proportions that the administrator set (since Linux 6.9).
    #[must_use]
    pub fn weighted_interleave(nodes: NodeMask) -> Self {
        Self::new(Mode::WeightedInterleave, nodes)
    }

    /// The same, whose nodes stay the same when the nodes that the thread may use change: `MPOL_F_STATIC_NODES`.
    #[must_use]
    pub fn static_nodes(mut self) -> Self {
        self.flags.remove(MpolModeFlags::RELATIVE_NODES);
        self.flags.insert(MpolModeFlags::STATIC_NODES);
        self
    }

    /// The same, whose nodes count within those that the thread may use: `MPOL_F_RELATIVE_NODES`.
    #[must_use]
    pub fn relative_nodes(mut self) -> Self {
        self.flags.remove(MpolModeFlags::STATIC_NODES);
        self.flags.insert(MpolModeFlags::RELATIVE_NODES);
        self
    }

    /// The same, where the kernel may move pages between the nodes to where they are used: `MPOL_F_NUMA_BALANCING`, for
    /// [`bind`](Self::bind) and [`preferred_many`](Self::preferred_many) (since Linux 5.15).
    #[must_use]
    pub fn balancing(mut self) -> Self {
        self.flags.insert(MpolModeFlags::NUMA_BALANCING);
        self
    }

    /// How pages are spread.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The nodes that it names; empty for modes that take none.
    #[must_use]
    pub fn nodes(&self) -> &NodeMask {
        &self.nodes
    }

    /// Whether its nodes are [static](Self::static_nodes).
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.flags.contains(MpolModeFlags::STATIC_NODES)
    }

    /// Whether its nodes are [relative](Self::relative_nodes).
    #[must_use]
    pub fn is_relative(&self) -> bool {
        self.flags.contains(MpolModeFlags::RELATIVE_NODES)
    }

    /// Whether the kernel may [move](Self::balancing) pages between the nodes.
    #[must_use]
    pub fn is_balancing(&self) -> bool {
        self.flags.contains(MpolModeFlags::NUMA_BALANCING)
    }

    /// As the kernel takes it.
    pub(super) fn parts(&self) -> (Mpol, MpolModeFlags, &NodeMask) {
        (self.mode.number(), self.flags, &self.nodes)
    }

    /// As the kernel says it; `None` for a mode that is newer than this crate.
    pub(super) fn of_kernel(policy: &Mempolicy) -> Option<Self> {
        let mode = match policy.mode {
            Mpol::DEFAULT => Mode::Default,
            Mpol::LOCAL => Mode::Local,
            // Before Linux 5.14 that is how the local policy reads.
            Mpol::PREFERRED if policy.nodes.is_empty() => Mode::Local,
            Mpol::PREFERRED => Mode::Preferred,
            Mpol::PREFERRED_MANY => Mode::PreferredMany,
            Mpol::BIND => Mode::Bind,
            Mpol::INTERLEAVE => Mode::Interleave,
            Mpol::WEIGHTED_INTERLEAVE => Mode::WeightedInterleave,
            _ => return None,
        };
        Some(Self {
            mode,
            flags: policy.flags,
            nodes: policy.nodes,
        })
    }
}

/// The refusal of a node that no kernel has.
pub(super) fn no_such_node(node: u32) -> Cause {
    Cause::refused(Operation::Numa, Reason::NoSuchNode, [node as usize, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_understood() {
        let nodes = NodeMask::of(&[3]).unwrap();
        for policy in [
            Policy::DEFAULT,
            Policy::LOCAL,
            Policy::preferred(3).unwrap(),
            Policy::preferred_many(nodes),
            Policy::bind(nodes).static_nodes(),
            Policy::bind(nodes).balancing(),
            Policy::interleave(nodes).relative_nodes(),
            Policy::weighted_interleave(nodes),
        ] {
            let (mode, flags, &nodes) = policy.parts();
            let said = Mempolicy { mode, flags, nodes };
            assert_eq!(Policy::of_kernel(&said), Some(policy));
        }
        let said = |mode, nodes| Mempolicy {
            mode,
            flags: MpolModeFlags::empty(),
            nodes,
        };
        let local = Policy::of_kernel(&said(Mpol::PREFERRED, NodeMask::new()));
        assert_eq!(local, Some(Policy::LOCAL));
        assert_eq!(Policy::of_kernel(&said(Mpol(77), nodes)), None);
    }

    #[test]
    fn nodes_are_static_or_relative() {
        let policy = Policy::LOCAL.static_nodes().relative_nodes();
        assert!(policy.is_relative() && !policy.is_static() && !policy.is_balancing());
        let policy = policy.static_nodes().balancing();
        assert!(policy.is_static() && !policy.is_relative() && policy.is_balancing());
    }
}
