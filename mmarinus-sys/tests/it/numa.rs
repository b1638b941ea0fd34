//! Memory policy and the placement of pages. With one node a page cannot change its place, so what is checked is what the
//! kernel says of it.

use core::ptr;
use std::thread;

use mmarinus_sys::{
    Errno, GetMempolicyFlags, MapFlags, MbindFlags, MovePagesFlags, Mpol, MpolModeFlags, NodeMask,
    PageStatus, Pid, ProtFlags, Support, get_mempolicy, get_mempolicy_at,
    get_mempolicy_mems_allowed, get_mempolicy_next_node, get_mempolicy_node_at,
    get_mempolicy_of_thread, mbind, migrate_pages, move_pages, move_pages_status, munmap,
    page_size, set_mempolicy, set_mempolicy_home_node,
};

use crate::common::{Pages, RW, is_root, older_than};
use crate::privilege::without;
use crate::testing::{in_child, needs, skip};

const NO_NUMA: &str = "the kernel is built without NUMA";
const NONE: MpolModeFlags = MpolModeFlags::empty();

/// The nodes that this process may use, or `None` where the kernel has no NUMA.
fn nodes() -> Option<NodeMask> {
    match get_mempolicy_mems_allowed() {
        Err(Errno::NOSYS) => None,
        nodes => Some(nodes.expect("the allowed nodes")),
    }
}

/// The lowest node of a set.
fn first(nodes: &NodeMask) -> u32 {
    nodes.iter().next().expect("a node")
}

/// A node that this machine lacks.
fn absent(nodes: &NodeMask) -> NodeMask {
    let node = nodes.iter().max().expect("a node") + 1;
    NodeMask::of(&[node]).expect("room for one more")
}

/// Sets the policy of all pages.
fn bind(pages: &Pages, mode: Mpol, flags: MpolModeFlags, nodes: &NodeMask) -> Result<(), Errno> {
    // SAFETY: the range is the test's own.
    unsafe {
        mbind(
            pages.addr(),
            pages.len(),
            mode,
            flags,
            nodes,
            MbindFlags::empty(),
        )
    }
}

#[test]
fn a_mask_holds_what_was_put_in() {
    let mut mask = NodeMask::of(&[0, 63, 64, 1023]).expect("nodes below 1024");
    assert!(mask.iter().eq([0, 63, 64, 1023]));
    assert_eq!(mask.len(), 4);
    mask.remove(64);
    assert!(!mask.contains(64) && mask.contains(63));
    mask.remove(u32::MAX);
    assert!(!mask.contains(u32::MAX));
    assert_eq!(mask.insert(1024), Err(Errno::INVAL));
    assert_eq!(mask.insert(u32::MAX), Err(Errno::INVAL));
    assert!(NodeMask::new().is_empty() && !mask.is_empty());
}

#[test]
fn every_mode_is_read_back() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let none = NodeMask::new();
    for (mode, nodes, since) in [
        (Mpol::DEFAULT, none, (2, 6)),
        (
            Mpol::PREFERRED,
            NodeMask::of(&[first(&nodes)]).expect("a node"),
            (2, 6),
        ),
        (Mpol::BIND, nodes, (2, 6)),
        (Mpol::INTERLEAVE, nodes, (2, 6)),
        (Mpol::LOCAL, none, (3, 8)),
        (Mpol::PREFERRED_MANY, nodes, (5, 15)),
        (Mpol::WEIGHTED_INTERLEAVE, nodes, (6, 9)),
    ] {
        let pages = Pages::new(2);
        let bound = bind(&pages, mode, NONE, &nodes);
        if older_than(since.0, since.1) {
            assert_eq!(bound, Err(Errno::INVAL), "{mode:?}");
            continue;
        }
        assert_eq!(bound, Ok(()), "{mode:?}");
        // It used to be another name for the other.
        let mode = match mode {
            Mpol::LOCAL if older_than(5, 14) => Mpol::PREFERRED,
            mode => mode,
        };
        let policy = get_mempolicy_at(pages.addr()).expect("a policy");
        assert_eq!(
            (policy.mode, policy.flags, policy.nodes),
            (mode, NONE, nodes)
        );
    }
}

#[test]
fn mode_flags_are_read_back() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let mut all = vec![MpolModeFlags::STATIC_NODES];
    if !older_than(5, 15) {
        all.push(MpolModeFlags::NUMA_BALANCING);
    }
    for flags in all {
        let pages = Pages::new(1);
        assert_eq!(bind(&pages, Mpol::BIND, flags, &nodes), Ok(()), "{flags:?}");
        let policy = get_mempolicy_at(pages.addr()).expect("a policy");
        assert_eq!(
            (policy.mode, policy.flags, policy.nodes),
            (Mpol::BIND, flags, nodes)
        );
    }
    // The nodes that come back are those of the mask, folded onto the allowed ones.
    let pages = Pages::new(1);
    let second = NodeMask::of(&[1]).expect("node 1");
    assert_eq!(
        bind(&pages, Mpol::BIND, MpolModeFlags::RELATIVE_NODES, &second),
        Ok(())
    );
    let both = MpolModeFlags::STATIC_NODES | MpolModeFlags::RELATIVE_NODES;
    assert_eq!(bind(&pages, Mpol::BIND, both, &nodes), Err(Errno::INVAL));
}

#[test]
fn mbind_refuses() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let none = NodeMask::new();
    let pages = Pages::new(3);
    assert_eq!(
        bind(&pages, Mpol::BIND, NONE, &none),
        Err(Errno::INVAL),
        "no node"
    );
    assert_eq!(
        bind(&pages, Mpol::DEFAULT, NONE, &nodes),
        Err(Errno::INVAL),
        "nodes where none belong"
    );
    assert_eq!(
        bind(&pages, Mpol::LOCAL, NONE, &nodes),
        Err(Errno::INVAL),
        "nodes where none belong"
    );
    assert_eq!(
        bind(&pages, Mpol::BIND, NONE, &absent(&nodes)),
        Err(Errno::INVAL),
        "a node that is not there"
    );
    let last = NodeMask::of(&[1023]).expect("room");
    assert_eq!(
        bind(&pages, Mpol::BIND, NONE, &last),
        Err(Errno::INVAL),
        "a node that is not there"
    );
    assert_eq!(
        bind(&pages, Mpol(99), NONE, &nodes),
        Err(Errno::INVAL),
        "an unknown mode"
    );

    let none = MbindFlags::empty();
    let odd = pages.byte(1).cast();
    // SAFETY: the range is the test's own, here and below.
    let odd = unsafe { mbind(odd, page_size(), Mpol::BIND, NONE, &nodes, none) };
    assert_eq!(odd, Err(Errno::INVAL), "no page starts there");
    let unknown = MbindFlags::from_bits_retain(1 << 12);
    // SAFETY: as above.
    let unknown = unsafe { mbind(pages.addr(), pages.len(), Mpol::BIND, NONE, &nodes, unknown) };
    assert_eq!(unknown, Err(Errno::INVAL), "an unknown flag");
}

#[test]
fn mbind_refuses_a_hole() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    // In a child, since other tests would map something there.
    let status = in_child!({
        let pages = Pages::new(3);
        // SAFETY: the page is the test's own, and nobody borrows from it.
        unsafe { munmap(pages.page(1), page_size()) }.expect("a hole");
        let bound = bind(&pages, Mpol::BIND, NONE, &nodes);
        assert_eq!(bound, Err(Errno::FAULT));
    });
    assert!(status.success(), "{status}");
}

#[test]
fn mbind_is_refused_at_the_limit_of_maps() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let limit = Support::max_map_count().expect("a limit") as usize;
    if limit > 100_000 {
        skip!("vm.max_map_count is {limit}, which takes too long to reach");
    }
    let status = in_child!({
        let pages = Pages::with(2 * limit, RW, MapFlags::PRIVATE | MapFlags::NORESERVE);
        let none = MbindFlags::empty();
        // Every second page with a policy of its own makes two maps more.
        let refused = (0..limit).find_map(|index| {
            let page = pages.page(2 * index + 1);
            // SAFETY: the page is the test's own.
            unsafe { mbind(page, page_size(), Mpol::INTERLEAVE, NONE, &nodes, none) }.err()
        });
        assert_eq!(refused, Some(Errno::NOMEM));
    });
    assert!(status.success(), "{status}");
}

#[test]
fn mbind_moves_what_is_there() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let pages = Pages::new(1);
    pages.set(0, 7);
    let only = NodeMask::of(&[first(&nodes)]).expect("a node");
    for flags in [
        MbindFlags::MOVE,
        MbindFlags::STRICT,
        MbindFlags::STRICT | MbindFlags::MOVE,
    ] {
        // SAFETY: the range is the test's own.
        let moved = unsafe {
            mbind(
                pages.addr(),
                pages.len(),
                Mpol::PREFERRED,
                NONE,
                &only,
                flags,
            )
        };
        assert_eq!(moved, Ok(()), "{flags:?}");
    }
    assert_eq!(pages.get(0), 7);
    assert_eq!(get_mempolicy_node_at(pages.addr()), Ok(first(&nodes)));
}

#[test]
fn strict_fails_for_a_page_elsewhere() {
    needs!(two_nodes);
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let pages = Pages::new(1);
    pages.set(0, 7);
    let here = get_mempolicy_node_at(pages.addr()).expect("a page");
    let other = nodes
        .iter()
        .find(|&node| node != here)
        .expect("another node");
    let other = NodeMask::of(&[other]).expect("a node");
    // SAFETY: the range is the test's own.
    let strict = unsafe {
        mbind(
            pages.addr(),
            pages.len(),
            Mpol::BIND,
            NONE,
            &other,
            MbindFlags::STRICT,
        )
    };
    assert_eq!(strict, Err(Errno::IO));
    // SAFETY: as above.
    let moved = unsafe {
        mbind(
            pages.addr(),
            pages.len(),
            Mpol::BIND,
            NONE,
            &other,
            MbindFlags::MOVE,
        )
    };
    assert_eq!(moved, Ok(()));
    assert_eq!(get_mempolicy_node_at(pages.addr()), Ok(first(&other)));
    assert_eq!(pages.get(0), 7);
}

#[test]
fn move_all_needs_the_privilege() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    if !is_root() {
        skip!("needs root");
    }
    let pages = Pages::new(1);
    pages.set(0, 7);
    let (addr, len) = (pages.addr().expose_provenance(), pages.len());
    let all = |addr| {
        let addr = ptr::with_exposed_provenance_mut(addr);
        // SAFETY: the range is the test's own.
        unsafe {
            mbind(
                addr,
                len,
                Mpol::INTERLEAVE,
                NONE,
                &nodes,
                MbindFlags::MOVE_ALL,
            )
        }
    };
    assert_eq!(all(addr), Ok(()));
    assert_eq!(without(|| all(addr)), Err(Errno::PERM));
    let moved = without(|| {
        let mut status = [PageStatus::default()];
        let page = ptr::with_exposed_provenance(addr);
        move_pages(None, &[page], &[0], &mut status, MovePagesFlags::MOVE_ALL)
    });
    assert_eq!(moved, Err(Errno::PERM));
}

#[test]
fn a_thread_has_its_own_policy() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let thread = thread::spawn(move || {
        assert_eq!(
            get_mempolicy_next_node(),
            Err(Errno::INVAL),
            "nothing is interleaved"
        );
        set_mempolicy(Mpol::INTERLEAVE, MpolModeFlags::STATIC_NODES, &nodes).expect("a policy");
        let policy = get_mempolicy_of_thread().expect("a policy");
        assert_eq!(
            (policy.mode, policy.flags),
            (Mpol::INTERLEAVE, MpolModeFlags::STATIC_NODES)
        );
        assert_eq!(policy.nodes, nodes);
        assert!(nodes.contains(get_mempolicy_next_node().expect("a node")));

        assert_eq!(
            set_mempolicy(Mpol::BIND, NONE, &NodeMask::new()),
            Err(Errno::INVAL)
        );
        assert_eq!(
            set_mempolicy(Mpol::BIND, NONE, &absent(&nodes)),
            Err(Errno::INVAL)
        );
        assert_eq!(set_mempolicy(Mpol(99), NONE, &nodes), Err(Errno::INVAL));
        // The kernel reads the last bit too: a mode without nodes does not take it.
        let last = NodeMask::of(&[1023]).expect("the last node");
        assert_eq!(set_mempolicy(Mpol::DEFAULT, NONE, &last), Err(Errno::INVAL));
        set_mempolicy(Mpol::DEFAULT, NONE, &NodeMask::new()).expect("back to none");
        assert_eq!(
            get_mempolicy_of_thread().expect("a policy").mode,
            Mpol::DEFAULT
        );
    });
    thread.join().expect("the thread ends");
    assert_eq!(
        get_mempolicy_of_thread().expect("a policy").mode,
        Mpol::DEFAULT,
        "of another thread"
    );
}

#[test]
fn get_mempolicy_refuses() {
    if nodes().is_none() {
        skip!("{NO_NUMA}");
    }
    let pages = Pages::new(1);
    let both = GetMempolicyFlags::MEMS_ALLOWED | GetMempolicyFlags::NODE;
    assert_eq!(get_mempolicy(ptr::null(), both).err(), Some(Errno::INVAL));
    let unknown = GetMempolicyFlags::from_bits_retain(1 << 12);
    assert_eq!(
        get_mempolicy(ptr::null(), unknown).err(),
        Some(Errno::INVAL)
    );
    assert_eq!(
        get_mempolicy(pages.addr(), GetMempolicyFlags::empty()).err(),
        Some(Errno::INVAL),
        "an address unasked"
    );
    // Nothing is ever mapped at null.
    assert_eq!(get_mempolicy_at(ptr::null()).err(), Some(Errno::FAULT));
    assert_eq!(get_mempolicy_node_at(ptr::null()), Err(Errno::FAULT));
    let none = Pages::with(1, ProtFlags::empty(), MapFlags::PRIVATE);
    assert_eq!(
        get_mempolicy_node_at(none.addr()),
        Err(Errno::FAULT),
        "a page that cannot be read"
    );
}

#[test]
fn a_home_node_needs_a_policy() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let pages = Pages::new(2);
    let node = first(&nodes) as usize;
    let home = |node| set_mempolicy_home_node(pages.addr(), pages.len(), node);
    if home(node) == Err(Errno::NOSYS) {
        skip!("set_mempolicy_home_node needs Linux 5.17");
    }
    assert_eq!(home(node), Err(Errno::NOENT), "no policy");
    bind(&pages, Mpol::INTERLEAVE, NONE, &nodes).expect("a policy");
    assert_eq!(home(node), Err(Errno::OPNOTSUPP), "a policy without a home");
    bind(&pages, Mpol::BIND, NONE, &nodes).expect("a policy");
    assert_eq!(home(node), Ok(()));
    assert_eq!(home(1 << 20), Err(Errno::INVAL), "no such node");
    let odd = pages.byte(1).cast();
    assert_eq!(
        set_mempolicy_home_node(odd, page_size(), node),
        Err(Errno::INVAL),
        "no page starts there"
    );
}

/// Whether no page is there, as kernels old and new say it.
fn is_absent(status: PageStatus) -> bool {
    matches!(status.node(), Err(Errno::NOENT | Errno::FAULT))
}

#[test]
fn move_pages_tells_of_each_page() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let pages = Pages::new(3);
    pages.set(0, 7);
    // Reading alone brings in the zero page.
    assert_eq!(pages.get(page_size()), 0);
    let node = first(&nodes) as i32;
    let list = [
        pages.page(0).cast_const(),
        pages.page(1),
        pages.page(2),
        ptr::null(),
    ];
    let mut status = [PageStatus::default(); 4];

    move_pages_status(None, &list, &mut status).expect("an answer");
    let here = status[0].node().expect("a page");
    assert!(nodes.contains(here));
    assert_eq!(status[1].node(), Err(Errno::FAULT), "the zero page");
    assert!(is_absent(status[2]), "no page: {:?}", status[2]);
    assert_eq!(status[3].node(), Err(Errno::FAULT), "no map");

    let mut status = [PageStatus::default(); 4];
    move_pages(None, &list, &[node; 4], &mut status, MovePagesFlags::MOVE).expect("an answer");
    assert_eq!(status[0].node(), Ok(node as u32));
    assert!(is_absent(status[2]), "no page: {:?}", status[2]);
    assert_eq!(pages.get(0), 7);
}

#[test]
fn move_pages_refuses() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let pages = Pages::new(1);
    pages.set(0, 7);
    let list = [pages.addr().cast_const()];
    let node = first(&nodes) as i32;
    let mut status = [PageStatus::default()];
    let none = MovePagesFlags::empty();
    assert_eq!(
        move_pages(None, &list, &[], &mut status, none),
        Err(Errno::INVAL),
        "no node"
    );
    assert_eq!(
        move_pages(None, &list, &[node], &mut [], none),
        Err(Errno::INVAL),
        "no room for the answer"
    );
    assert_eq!(
        move_pages_status(None, &list, &mut []),
        Err(Errno::INVAL),
        "no room for the answer"
    );
    let gone = absent(&nodes).iter().next().expect("a node") as i32;
    assert_eq!(
        move_pages(None, &list, &[gone], &mut status, none),
        Err(Errno::NODEV),
        "no such node"
    );
    assert_eq!(
        move_pages(None, &list, &[-1], &mut status, none),
        Err(Errno::NODEV),
        "no such node"
    );
    let unknown = MovePagesFlags::from_bits_retain(1 << 12);
    assert_eq!(
        move_pages(None, &list, &[node], &mut status, unknown),
        Err(Errno::INVAL),
        "an unknown flag"
    );
    let nobody = Pid::from_raw(i32::MAX);
    assert_eq!(
        move_pages_status(nobody, &list, &mut status),
        Err(Errno::SRCH),
        "no such process"
    );
}

#[test]
fn pages_migrate_to_where_they_are() {
    let Some(nodes) = nodes() else {
        skip!("{NO_NUMA}")
    };
    let pages = Pages::new(1);
    pages.set(0, 7);
    assert_eq!(migrate_pages(None, &nodes, &nodes), Ok(0));
    assert_eq!(pages.get(0), 7);
    assert_eq!(
        migrate_pages(None, &nodes, &NodeMask::new()),
        Err(Errno::INVAL),
        "to nowhere"
    );
    let nobody = Pid::from_raw(i32::MAX);
    assert_eq!(
        migrate_pages(nobody, &nodes, &nodes),
        Err(Errno::SRCH),
        "no such process"
    );
    if is_root() {
        assert_eq!(
            without(|| migrate_pages(Pid::from_raw(1), &nodes, &nodes)),
            Err(Errno::PERM)
        );
    }
}
