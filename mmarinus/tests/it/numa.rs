//! Policies and places of pages: on one node what names it works and the rest is refused, on two the pages are where they should.

use core::ops::Range;

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::numa::{self, Existing, Mode, NodeMask, Policy};
use mmarinus::perms::Permissions;
use mmarinus::{Advice, Errno, HugePage, Map, Shared, perms};

use crate::common::{
    Vma, anonymous, bytes_of, file_map, older_than, page, shared, without_privileges,
};
use crate::huge::{HUGE, Pool};
use crate::raw::{self, Call};
use crate::testing::{in_child, needs, skip};

/// The nodes that may be used; none if the kernel is built without.
fn nodes() -> Option<NodeMask> {
    match numa::allowed() {
        Ok(nodes) => Some(nodes),
        Err(error) => {
            assert_eq!(
                (error.errno(), error.operation()),
                (Errno::NOSYS, "get_mempolicy")
            );
            None
        }
    }
}

/// A set of one node.
fn only(node: u32) -> NodeMask {
    NodeMask::of(&[node]).expect("a node")
}

/// Memory whose pages are all there.
fn written(pages: usize) -> Map<perms::ReadWrite> {
    let mut map = anonymous(pages * page());
    map.advise(.., Advice::NOHUGEPAGE).unwrap();
    map.fill(7);
    map
}

/// The runs of pages on nodes.
fn places<P: Permissions, K: Kind, B: Backing<K>>(map: &Map<P, K, B>) -> Vec<(Range<usize>, u32)> {
    let runs = map.page_nodes(..).expect("all of it");
    runs.map(|run| run.expect("an answer")).collect()
}

/// The kind of policy that holds for each page.
fn modes<P: Permissions, K: Kind, B: Backing<K>>(map: &Map<P, K, B>) -> Vec<Mode> {
    let offsets = (0..map.len()).step_by(page());
    offsets
        .map(|offset| map.policy_at(offset).expect("a policy").mode())
        .collect()
}

#[test]
fn a_policy_reads_back() {
    let Some(nodes) = nodes() else {
        skip!("the kernel is built without NUMA");
    };
    let node = nodes.iter().next().unwrap();
    let map = anonymous(4 * page());
    assert_eq!(map.policy_at(0).unwrap(), Policy::DEFAULT);
    let mut policies = vec![
        Policy::LOCAL,
        Policy::bind(nodes),
        Policy::bind(only(node)).static_nodes(),
        Policy::preferred(node).unwrap(),
        Policy::interleave(nodes),
        Policy::interleave(only(0)).relative_nodes(),
    ];
    if !older_than(5, 15) {
        policies.push(Policy::preferred_many(nodes));
        policies.push(Policy::bind(nodes).balancing());
    }
    if !older_than(6, 9) {
        policies.push(Policy::weighted_interleave(nodes));
    }
    policies.push(Policy::DEFAULT);
    for policy in policies {
        for existing in [Existing::Stay, Existing::Move] {
            map.set_policy(.., &policy, existing).unwrap();
            let read = map.policy_at(4 * page() - 1).unwrap();
            assert_eq!(read.mode(), policy.mode());
            if !policy.is_relative() {
                assert_eq!(read, policy);
            }
        }
    }
}

#[test]
fn a_policy_holds_for_the_pages_around_the_range_and_no_others() {
    let Some(nodes) = nodes() else {
        skip!("the kernel is built without NUMA");
    };
    let map = written(9);
    let (one, rest) = map.split(3 * page()).unwrap();
    let (two, three) = rest.split(3 * page()).unwrap();
    let policy = Policy::interleave(nodes);
    two.set_policy(page() + 5..page() + 6, &policy, Existing::Stay)
        .unwrap();
    assert_eq!(
        modes(&two),
        [Mode::Default, Mode::Interleave, Mode::Default]
    );
    two.set_policy(.., &policy, Existing::Check).unwrap();
    assert_eq!(modes(&two), [Mode::Interleave; 3]);
    for neighbour in [&one, &three] {
        assert_eq!(modes(neighbour), [Mode::Default; 3]);
    }
    // No bytes, no policy.
    one.set_policy(page()..page(), &policy, Existing::Stay)
        .unwrap();
    anonymous(0)
        .set_policy(.., &policy, Existing::MoveAll)
        .unwrap();
    assert_eq!(modes(&one), [Mode::Default; 3]);
    assert!(
        [&one, &two, &three]
            .iter()
            .all(|map| map.iter().all(|&byte| byte == 7))
    );
}

#[test]
fn a_policy_cuts_the_map_in_pieces() {
    let Some(nodes) = nodes() else {
        skip!("the kernel is built without NUMA");
    };
    let map = written(3);
    map.set_policy(.., &Policy::bind(nodes), Existing::Stay)
        .unwrap();
    // One mapping moves.
    let address = anonymous(3 * page()).addr();
    let map = match map.move_to(address) {
        Ok(map) => map,
        // Another test was there first.
        Err(error) => {
            assert_eq!(error.errno(), Errno::EXIST);
            error.into_map().unwrap()
        }
    };
    map.set_policy(page()..2 * page(), &Policy::LOCAL, Existing::Stay)
        .unwrap();
    let error = map.move_to(address.wrapping_add(1 << 30)).unwrap_err();
    assert_eq!(error.errno(), Errno::FAULT);
    assert_eq!(bytes_of(&error.into_map().unwrap()), vec![7; 3 * page()]);
    if older_than(5, 17) {
        return;
    }
    let map = written(3);
    map.set_policy(.., &Policy::bind(nodes), Existing::Stay)
        .unwrap();
    let node = nodes.iter().next().unwrap();
    map.set_home_node(..page(), node).unwrap();
    assert_eq!(
        map.move_to(address.wrapping_add(1 << 30))
            .unwrap_err()
            .errno(),
        Errno::FAULT
    );
}

#[test]
fn what_names_no_node_is_refused() {
    let Some(nodes) = nodes() else {
        skip!("the kernel is built without NUMA");
    };
    let map = written(2);
    let nowhere = (0..1024).find(|&node| !nodes.contains(node)).unwrap();
    for policy in [
        Policy::bind(only(nowhere)),
        Policy::bind(NodeMask::new()),
        Policy::interleave(NodeMask::new()),
        Policy::preferred(1023).unwrap(),
        Policy::LOCAL.static_nodes(),
        Policy::interleave(nodes).balancing(),
    ] {
        let error = map.set_policy(.., &policy, Existing::Stay).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::INVAL, "mbind"),
            "{policy:?}"
        );
        assert!(error.to_string().contains("numa::allowed()"), "{error}");
    }
    let error = map.migrate(.., nowhere).unwrap_err();
    assert!(
        [Errno::NODEV, Errno::ACCESS].contains(&error.errno()),
        "{error}"
    );
    for node in [1024, u32::MAX] {
        for error in [
            map.migrate(.., node).unwrap_err(),
            map.set_home_node(.., node).unwrap_err(),
            Policy::preferred(node).unwrap_err(),
        ] {
            assert_eq!((error.errno(), error.operation()), (Errno::INVAL, "numa"));
        }
    }
    assert_eq!(modes(&map), [Mode::Default; 2]);
}

#[test]
fn ranges_outside_are_refused() {
    let map = anonymous(2 * page());
    let len = map.len();
    for range in [
        0..len + 1,
        len + 1..len + 1,
        0..usize::MAX,
        usize::MAX..usize::MAX,
    ] {
        let errors = [
            map.set_policy(range.clone(), &Policy::LOCAL, Existing::Stay)
                .unwrap_err(),
            map.set_home_node(range.clone(), 0).unwrap_err(),
            map.migrate(range.clone(), 0).unwrap_err(),
            map.migrate_all(range.clone(), 0).unwrap_err(),
            map.page_nodes(range).unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.errno() == Errno::INVAL));
    }
    for offset in [len, usize::MAX] {
        assert_eq!(map.policy_at(offset).unwrap_err().errno(), Errno::INVAL);
    }
    assert_eq!(anonymous(0).policy_at(0).unwrap_err().errno(), Errno::INVAL);
}

#[test]
fn a_home_needs_a_policy_that_has_one() {
    needs!(mempolicy_home_node);
    let nodes = nodes().expect("a kernel with NUMA");
    let node = nodes.iter().next().unwrap();
    let map = anonymous(2 * page());
    let error = map.set_home_node(.., node).unwrap_err();
    assert_eq!(
        (error.errno(), error.operation()),
        (Errno::NOENT, "set_mempolicy_home_node")
    );
    assert!(error.to_string().contains("before"), "{error}");
    map.set_policy(.., &Policy::interleave(nodes), Existing::Stay)
        .unwrap();
    assert_eq!(
        map.set_home_node(.., node).unwrap_err().errno(),
        Errno::OPNOTSUPP
    );
    map.set_policy(.., &Policy::preferred_many(nodes), Existing::Stay)
        .unwrap();
    map.set_home_node(.., node).unwrap();
    assert_eq!(
        map.set_home_node(.., 1023).unwrap_err().errno(),
        Errno::INVAL
    );
}

#[test]
fn pages_lie_on_nodes() {
    let Some(nodes) = nodes() else {
        skip!("the kernel is built without NUMA");
    };
    let mut map = anonymous(6 * page());
    map.advise(.., Advice::NOHUGEPAGE).unwrap();
    assert_eq!(places(&map), []);
    map[page()..3 * page()].fill(7);
    assert_eq!(map[4 * page()], 0); // The page of zeros.
    let there = places(&map);
    assert_eq!(
        there.iter().map(|(run, _)| run.len()).sum::<usize>(),
        2 * page()
    );
    assert_eq!(
        (there[0].0.start, there.last().unwrap().0.end),
        (page(), 3 * page())
    );
    assert!(there.iter().all(|&(_, node)| nodes.contains(node)));
    for node in nodes.iter() {
        assert_eq!(map.migrate(.., node).unwrap(), 2 * page());
        assert_eq!(places(&map), [(page()..3 * page(), node)]);
        assert_eq!(
            map.migrate(2 * page()..2 * page() + 1, node).unwrap(),
            page()
        );
        assert_eq!(map.migrate(5 * page().., node).unwrap(), 0);
        assert_eq!(map.migrate(..0, node).unwrap(), 0);
    }
    assert_eq!(map[page()..3 * page()], vec![7; 2 * page()]);
}

#[test]
fn pages_of_others_move_by_privilege() {
    needs!(root);
    let Some(nodes) = nodes() else {
        skip!("the kernel is built without NUMA");
    };
    let node = nodes.iter().next().unwrap();
    let map = written(2);
    assert_eq!(map.migrate_all(.., node).unwrap(), 2 * page());
    map.set_policy(.., &Policy::bind(nodes), Existing::MoveAll)
        .unwrap();
    without_privileges(|| {
        let error = map.migrate_all(.., node).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::PERM, "move_pages")
        );
        let error = map
            .set_policy(.., &Policy::LOCAL, Existing::MoveAll)
            .unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::PERM, "mbind"));
        assert!(error.to_string().contains("CAP_SYS_NICE"), "{error}");
        // Its own it may.
        assert_eq!(map.migrate(.., node).unwrap(), 2 * page());
        map.set_policy(.., &Policy::bind(nodes), Existing::Move)
            .unwrap();
    });
}

#[test]
fn every_kind_of_map_has_a_policy() {
    let Some(nodes) = nodes() else {
        skip!("the kernel is built without NUMA");
    };
    let policy = Policy::interleave(nodes);
    let map = shared(2 * page());
    map.set_policy(.., &policy, Existing::Move).unwrap();
    assert_eq!(modes(&map), [Mode::Interleave; 2]);
    let map = file_map(2 * page(), Shared);
    map.set_policy(.., &policy, Existing::Stay).unwrap();
    assert_eq!(bytes_of(&map).len(), 2 * page());
    let map = anonymous(2 * page()).reprotect(perms::None).unwrap();
    map.set_policy(.., &policy, Existing::Stay).unwrap();
    assert_eq!(modes(&map), [Mode::Interleave; 2]);
    assert_eq!(Vma::of(&map).perms, "---p");
}

#[test]
fn huge_pages_are_there_before_a_policy_and_after() {
    needs!(huge_2mb);
    let Some(nodes) = nodes() else {
        skip!("the kernel is built without NUMA");
    };
    let pool = Pool::take();
    let mut map = Map::bytes(HUGE)
        .anywhere()
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::ReadWrite)
        .unwrap();
    // A range rounds outward to whole huge pages.
    map.set_policy(5..6, &Policy::bind(nodes), Existing::Stay)
        .unwrap();
    assert_eq!(map.policy_at(HUGE - 1).unwrap(), Policy::bind(nodes));
    assert_eq!(map.stats().unwrap().resident(), HUGE);
    map.fill(1);
    for node in nodes.iter() {
        // Whether it can move depends on the pool of that node; the page stays there in any case.
        let moved = map.migrate(.., node).unwrap();
        assert!(moved == HUGE || moved == 0, "{moved}");
        let _ = map.set_policy(.., &Policy::bind(only(node)), Existing::Move);
        assert!(map.iter().all(|&byte| byte == 1));
        assert_eq!(map.stats().unwrap().resident(), HUGE);
    }
    drop(map);
    pool.assert_whole();
}

#[test]
fn a_kernel_without_numa_says_so() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let map = written(1);
        let calls = [Call::Mbind, Call::GetMempolicy, Call::MovePages];
        raw::forbid(&calls, Errno::NOSYS).unwrap();
        let mut runs = map.page_nodes(..).unwrap();
        for error in [
            numa::allowed().unwrap_err(),
            map.policy_at(0).unwrap_err(),
            map.set_policy(.., &Policy::LOCAL, Existing::Stay)
                .unwrap_err(),
            map.migrate(.., 0).unwrap_err(),
            runs.next().unwrap().unwrap_err(),
        ] {
            assert_eq!(error.errno(), Errno::NOSYS);
            assert!(error.to_string().contains("without NUMA"), "{error}");
        }
        assert!(runs.next().is_none());
    });
    assert!(status.success());
}

/// Two nodes.
fn two() -> [u32; 2] {
    let nodes: Vec<u32> = numa::allowed().expect("NUMA").iter().take(2).collect();
    nodes.try_into().expect("two nodes")
}

#[test]
fn of_two_nodes_the_one_that_is_bound_has_the_pages() {
    needs!(two_nodes);
    for node in two() {
        let mut map = anonymous(8 * page());
        map.advise(.., Advice::NOHUGEPAGE).unwrap();
        map.set_policy(.., &Policy::bind(only(node)), Existing::Stay)
            .unwrap();
        map.fill(1);
        assert_eq!(places(&map), [(0..8 * page(), node)]);
    }
}

#[test]
fn pages_that_are_there_are_checked_and_moved() {
    needs!(two_nodes);
    let [one, other] = two();
    let map = written(200);
    assert_eq!(map.migrate(.., one).unwrap(), 200 * page());
    let policy = Policy::bind(only(other));
    let error = map.set_policy(.., &policy, Existing::Check).unwrap_err();
    assert_eq!((error.errno(), error.operation()), (Errno::IO, "mbind"));
    assert!(error.to_string().contains("does not follow"), "{error}");
    assert_eq!(places(&map), [(0..200 * page(), one)]);
    map.set_policy(.., &policy, Existing::Stay).unwrap();
    assert_eq!(places(&map), [(0..200 * page(), one)]);
    map.set_policy(100 * page().., &policy, Existing::Move)
        .unwrap();
    assert_eq!(
        places(&map),
        [(0..100 * page(), one), (100 * page()..200 * page(), other)]
    );
    assert_eq!(
        map.migrate(50 * page()..60 * page() + 1, other).unwrap(),
        11 * page()
    );
    assert_eq!(
        places(&map),
        [
            (0..50 * page(), one),
            (50 * page()..61 * page(), other),
            (61 * page()..100 * page(), one),
            (100 * page()..200 * page(), other)
        ]
    );
    assert!(map.iter().all(|&byte| byte == 7));
}

#[test]
fn interleaved_pages_take_turns() {
    needs!(two_nodes);
    let nodes = two();
    let mut map = anonymous(8 * page());
    map.advise(.., Advice::NOHUGEPAGE).unwrap();
    let both = NodeMask::of(&nodes).unwrap();
    map.set_policy(.., &Policy::interleave(both), Existing::Stay)
        .unwrap();
    map.fill(1);
    let places = places(&map);
    assert_eq!(places.len(), 8, "{places:?}");
    assert!(places.windows(2).all(|pair| pair[0].1 != pair[1].1));
    // A neighbour's pages stay where they are.
    let (left, right) = map.split(4 * page()).unwrap();
    let before = self::places(&right);
    assert_eq!(left.migrate(.., nodes[0]).unwrap(), 4 * page());
    assert_eq!(self::places(&left), [(0..4 * page(), nodes[0])]);
    assert_eq!(self::places(&right), before);
}

#[test]
fn the_home_node_is_tried_first() {
    needs!(two_nodes, mempolicy_home_node);
    let nodes = two();
    for home in nodes {
        let mut map = anonymous(4 * page());
        map.advise(.., Advice::NOHUGEPAGE).unwrap();
        let both = NodeMask::of(&nodes).unwrap();
        map.set_policy(.., &Policy::bind(both), Existing::Stay)
            .unwrap();
        map.set_home_node(.., home).unwrap();
        map.fill(1);
        assert_eq!(places(&map), [(0..4 * page(), home)]);
    }
}
