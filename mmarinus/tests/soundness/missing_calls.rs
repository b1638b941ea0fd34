//! Kernels and sandboxes that lack a call: each operation works without it, or fails as documented with the map as it was.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::numa::{Existing, NodeMask, Policy};
use mmarinus::scan::PageCategories;
use mmarinus::{
    Advice, Contents, Errno, Error, Map, Mirror, Pkey, Private, ProtFlags, Reservation, Shared,
    Source, Userfault, maps, perms, process,
};

use crate::common::{
    anonymous, bytes_of, disk_file, file_map, older_than, page, patterned, shared,
};
use crate::raw::{self, Call};
use crate::testing::{skip, sound};

/// What is done once under each filter. It says why it failed, after it has seen that nothing was lost.
type Operation = fn() -> Result<(), Error>;

/// Memory with bytes in it.
fn filled() -> Map<perms::ReadWrite> {
    let mut map = anonymous(3 * page());
    map.fill(7);
    map
}

/// The error of a call that gives the map back with its bytes.
fn back<K: Kind, B: Backing<K>>(error: Error<Map<perms::ReadWrite, K, B>>) -> Error {
    let (error, map) = error.into_parts();
    let map = map.expect("the map comes back");
    assert_eq!(bytes_of(&map), vec![7; 3 * page()]);
    error
}

/// The policy of the only node that every machine has.
fn on_node_0() -> Policy {
    Policy::bind(NodeMask::of(&[0]).expect("a node"))
}

const OPERATIONS: [(&str, Operation); 47] = [
    ("anonymous", || {
        let map = Map::bytes(100).anonymously().with(perms::ReadWrite)?;
        assert_eq!(map[..], [0; 100]);
        Ok(())
    }),
    ("populate", || {
        let map = Map::bytes(3 * page()).anonymously().populate();
        assert_eq!(map.with(perms::ReadWrite)?[page()], 0);
        Ok(())
    }),
    ("populate shared", || {
        let map = Map::bytes(3 * page())
            .anonymously()
            .with_kind(Shared)
            .populate();
        let map = map.with(perms::ReadWrite)?;
        assert_eq!(map.atomics::<AtomicU64>(..)?[3].load(Ordering::Relaxed), 0);
        Ok(())
    }),
    ("locked", || {
        let map = Map::bytes(page()).anonymously().locked();
        map.with(perms::ReadWrite).map(drop)
    }),
    ("guarded", || {
        let mut map = Map::bytes(page())
            .guarded()
            .anonymously()
            .with(perms::ReadWrite)?;
        map.fill(7);
        Ok(())
    }),
    ("guarded file", || {
        let file = disk_file(page());
        let map = Map::bytes(page())
            .guarded()
            .from(&file, 0)
            .with(perms::Read)?;
        assert_eq!(bytes_of(&map), patterned(0, page()));
        Ok(())
    }),
    ("aligned", || {
        let map = Map::bytes(page()).anonymously().aligned_to(1 << 21);
        assert_eq!(map.with(perms::Read)?.addr() % (1 << 21), 0);
        Ok(())
    }),
    ("dont_fork", || {
        let map = Map::bytes(page()).anonymously().dont_fork();
        map.with(perms::ReadWrite).map(drop)
    }),
    ("named", || {
        let map = Map::bytes(page()).anonymously().named("test");
        map.with(perms::ReadWrite).map(drop)
    }),
    ("secret", || {
        let mut map = Map::bytes(page()).secret().with(perms::ReadWrite)?;
        map.fill(7);
        Ok(())
    }),
    ("source", || {
        let file = disk_file(2 * page());
        let source = Source::of(&file)?;
        let map = Map::whole(&source).with(perms::Read)?;
        assert_eq!(bytes_of(&map), patterned(0, 2 * page()));
        Ok(())
    }),
    ("contents", || {
        let contents = Contents::of(&disk_file(100))?;
        let mut copy = [0; 100];
        contents.read_at(0, &mut copy).map_err(Error::from)?;
        assert_eq!(copy, patterned(0, 100)[..]);
        Ok(())
    }),
    ("write_at", || {
        let mut map = file_map(page(), Shared);
        map.write_at(5, b"hello")?;
        let mut copy = [0; 5];
        map.read_at(5, &mut copy)?;
        assert_eq!(&copy, b"hello");
        Ok(())
    }),
    ("sync", || file_map(page(), Shared).sync(..)),
    ("preallocate", || file_map(page(), Shared).preallocate(..)),
    ("grow_file", || {
        let file = disk_file(page());
        let map = Map::bytes(page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)?;
        let map = map
            .grow_file(&file, 2 * page())
            .map_err(Error::without_map)?;
        assert_eq!(bytes_of(&map)[..page()], patterned(0, page()));
        Ok(())
    }),
    ("punch_hole", || file_map(page(), Shared).punch_hole(..)),
    ("revert", || file_map(page(), Private).revert(..)),
    ("discard", || {
        let mut map = filled();
        map.discard(..)?;
        assert_eq!(map[0], 0);
        Ok(())
    }),
    ("advise", || filled().advise(.., Advice::WILLNEED)),
    ("populate later", || {
        filled().advise(.., Advice::POPULATE_WRITE)
    }),
    ("lock", || filled().lock(..)),
    ("lock_on_fault", || filled().lock_on_fault(..)),
    ("unlock", || filled().unlock(..)),
    ("name", || filled().name("test")),
    ("resize", || {
        let map = filled().resize(5 * page()).map_err(back)?;
        assert!(map[..3 * page()].iter().all(|byte| *byte == 7));
        Ok(())
    }),
    ("duplicate", || shared(page()).duplicate().map(drop)),
    ("take_pages", || {
        let mut map = filled();
        let taken = map.take_pages();
        let (old, new) = (taken.is_ok(), map[0] == 7);
        assert_ne!(old, new);
        taken.map(drop)
    }),
    ("remap", || {
        let remapped = filled().remap().anonymously().with(perms::ReadWrite);
        // If the move itself fails, nobody knows what is there.
        remapped.map_err(Error::without_map).map(drop)
    }),
    ("track_writes", || {
        filled().track_writes().map_err(back).map(drop)
    }),
    ("supply_pages", || {
        filled().supply_pages().map_err(back).map(drop)
    }),
    ("userfault", || Userfault::without_waiting().map(drop)),
    ("pkey", || Pkey::alloc().map(drop)),
    ("publish", || {
        let map = filled().reprotect(perms::ReadExecute);
        map.map_err(back)?.publish(..)
    }),
    ("process::advise", || {
        let map = filled();
        process::advise(&[map.part(..)?], Advice::WILLNEED)
    }),
    ("set_policy", || {
        filled().set_policy(.., &on_node_0(), Existing::Stay)
    }),
    ("set_home_node", || {
        let map = filled();
        map.set_policy(.., &on_node_0(), Existing::Stay)?;
        map.set_home_node(.., 0)
    }),
    ("policy_at", || filled().policy_at(0).map(drop)),
    ("page_nodes", || {
        filled().page_nodes(..)?.try_for_each(|node| node.map(drop))
    }),
    ("migrate", || filled().migrate(.., 0).map(drop)),
    ("residency", || {
        let map = filled();
        let runs = map.residency(..)?;
        runs.into_iter().try_for_each(|run| run.map(drop))
    }),
    ("page_cache", || {
        Source::of(&disk_file(page()))?.page_cache(..).map(drop)
    }),
    ("stats", || {
        let stats = filled().stats()?;
        assert_eq!(stats.resident(), 3 * page());
        Ok(())
    }),
    ("scan", || {
        let map = filled();
        let mut runs = map.scan(.., PageCategories::PRESENT)?;
        runs.try_for_each(|run| run.map(drop))
    }),
    ("maps", || {
        let map = filled();
        let address = map.addr();
        let mut all = maps()?;
        let found = all.try_fold(false, |found, vma| {
            Ok::<_, Error>(found | vma?.contains(address))
        })?;
        assert!(found);
        Ok(())
    }),
    ("place", || {
        let reservation = Reservation::new(4 * page())?;
        let (source, both) = (Source::anonymous(), ProtFlags::READ | ProtFlags::WRITE);
        reservation.place(0..page(), &source, 0, Private, both)?;
        reservation.guard(page()..2 * page())?;
        reservation.decommit(..)
    }),
    ("mirror", || {
        let mut mirror = Mirror::anonymous(page())?;
        mirror.slice_mut(page() - 1, 2)?.fill(7);
        assert_eq!(mirror.slice(0, 1)?, [7]);
        Ok(())
    }),
];

/// What may fail or not for other reasons: the CPU, how the kernel was built, its settings.
const OPTIONAL: [&str; 10] = [
    // Pages may lie there by chance.
    "aligned",
    "pkey",
    "named",
    "name",
    "secret",
    "set_policy",
    "set_home_node",
    "policy_at",
    "page_nodes",
    "migrate",
];

/// Does everything where a call fails with an errno, and asserts that exactly these operations fail, with that errno.
fn without(call: Call, errno: Errno, fails: &[&str]) {
    raw::forbid(&[call], errno).unwrap();
    let mut failed = Vec::new();
    for (name, operation) in OPERATIONS {
        let Err(error) = operation() else { continue };
        assert!(!error.hint().is_empty(), "{name}: {error}");
        if fails.contains(&name) {
            // The kernel's own word for a feature that it lacks may be another.
            let words = [errno, Errno::OPNOTSUPP, Errno::NOSYS];
            assert!(words.contains(&error.errno()), "{name}: {error}");
            failed.push(name);
        } else if !OPTIONAL.contains(&name) && !older_than(6, 13) {
            failed.push(name);
            println!("{name}: {error}");
        }
    }
    assert_eq!(failed, fails);
}

// Not `mremap`: where a move fails, nobody knows what is at its target, which therefore stays as it is. And `munmap` and
// `process_vm_readv` have tests of their own.

/// A test for one call that is missing, and for the same one that is forbidden.
macro_rules! missing {
    ($($name:ident: $call:ident => $fails:expr;)+) => {$(
        #[test]
        fn $name() {
            if let Err(why) = raw::can_forbid() {
                skip!("{why}");
            }
            sound!({ without(Call::$call, Errno::NOSYS, &$fails) });
            sound!({ without(Call::$call, Errno::PERM, &$fails) });
        }
    )+};
}

missing! {
    userfaultfd: Userfaultfd => ["track_writes", "supply_pages", "userfault"];
    memfd_secret: MemfdSecret => ["secret"];
    pkey_alloc: PkeyAlloc => ["pkey"];
    mlock2: Mlock2 => ["lock_on_fault"];
    mlock: Mlock => ["lock"];
    munlock: Munlock => ["unlock"];
    membarrier: Membarrier => ["publish"];
    process_madvise: ProcessMadvise => [];
    set_mempolicy_home_node: SetMempolicyHomeNode => ["set_home_node"];
    mbind: Mbind => ["set_policy", "set_home_node"];
    get_mempolicy: GetMempolicy => ["policy_at"];
    move_pages: MovePages => ["page_nodes", "migrate"];
    cachestat: Cachestat => ["page_cache"];
    mincore: Mincore => ["residency"];
    fallocate: Fallocate => ["grow_file"];
    fstatfs: Fstatfs => [];
    ioctl: Ioctl => ["track_writes", "supply_pages", "userfault", "scan"];
    prctl: Prctl => ["name"];
    madvise: Madvise => [
        "populate shared", "guarded", "guarded file", "dont_fork", "preallocate", "punch_hole", "revert", "discard",
        "advise", "populate later", "remap", "place", "mirror",
    ];
    msync: Msync => ["sync"];
    mprotect: Mprotect => ["publish"];
    getrandom: Getrandom => [];
    mseal: Mseal => [];
}
