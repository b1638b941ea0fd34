//! Maps as structs of atomics of several sizes: `into_shared`, `into_map`, and what `shared_layout!` proves.
#![forbid(unsafe_code)]

use core::mem::{align_of, offset_of, size_of};
use core::sync::atomic::{AtomicI16, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use mmarinus::{Errno, Map, Shared, SharedBlock, SharedLayout, perms};
use rustix::fs::{SealFlags, fcntl_add_seals};

use crate::common::{bytes_of, exposed, memory_file, page, shared};
use crate::raw::{in_fork, present};
use crate::testing::in_child;

mmarinus::shared_layout! {
    /// A part of the header.
    struct Version {
        major: AtomicU16,
        minor: AtomicI16,
    }
}

mmarinus::shared_layout! {
    /// A header of several sizes.
    pub(crate) struct Header {
        /// The next.
        head: AtomicU64,
        pub(crate) version: Version,
        flags: [AtomicU8; 4],
        lanes: [Version; 2],
        tail: AtomicU32,
        _gap: [[AtomicU8; 2]; 2],
    }
}

#[test]
fn the_layout_is_that_of_c_without_gaps() {
    assert_eq!((size_of::<Header>(), align_of::<Header>()), (32, 8));
    assert_eq!(offset_of!(Header, version), 8);
    assert_eq!(offset_of!(Header, lanes), 16);
    assert_eq!(offset_of!(Header, tail), 24);
}

#[test]
fn fields_are_the_bytes_of_the_map() {
    let map = shared(page());
    let twin = map.duplicate().unwrap();
    let header = map.into_shared::<Header>().unwrap();
    header.head.store(0x0102_0304_0506_0708, Ordering::Relaxed);
    header.version.minor.store(-2, Ordering::Relaxed);
    header.flags[3].fetch_or(0x80, Ordering::Relaxed);
    header.lanes[1].major.store(0xabcd, Ordering::Relaxed);
    header.tail.fetch_sub(1, Ordering::Relaxed);
    let bytes = bytes_of(&twin);
    assert_eq!(bytes[..8], 0x0102_0304_0506_0708_u64.to_ne_bytes());
    assert_eq!(bytes[10..12], (-2_i16).to_ne_bytes());
    assert_eq!((bytes[15], bytes[24..28].to_vec()), (0x80, vec![0xff; 4]));
    assert_eq!(bytes[20..22], 0xabcd_u16.to_ne_bytes());
    twin.view(..).unwrap().write_at(16, &[7; 4]).unwrap();
    assert_eq!(header.lanes[0].minor.load(Ordering::Relaxed), 0x0707);
    let text = format!("{header:?}");
    assert!(
        text.contains("SharedBlock") && text.contains("flags: [0, 0, 0, 128]"),
        "{text}"
    );
    // The map comes back as it was, with no size of atomics.
    let addr = header.addr();
    let map = header.into_map();
    assert_eq!((map.addr(), map.len()), (addr, page()));
    assert_eq!(bytes_of(&map), bytes_of(&twin));
    assert_eq!(
        map.atomics::<AtomicU8>(15..16).unwrap()[0].load(Ordering::Relaxed),
        0x80
    );
}

#[test]
fn atomics_and_arrays_are_layouts_themselves() {
    fn counts<T: SharedLayout>(map: Map<perms::ReadWrite, Shared>) -> usize {
        let block: SharedBlock<T, _, _, _> = map.into_shared().unwrap();
        block.into_map().len()
    }
    assert_eq!(counts::<AtomicU32>(shared(4)), 4);
    assert_eq!(counts::<[AtomicU64; 3]>(shared(24)), 24);
    assert_eq!(counts::<[AtomicU64; 0]>(shared(0)), 0);
    let block = exposed(8).into_shared::<[AtomicU16; 4]>().unwrap();
    assert_eq!(block.len(), 4);
    assert_eq!(
        present(page(), Shared, perms::ReadWrite)
            .into_shared::<Header>()
            .unwrap()
            .flags[0]
            .load(Ordering::Relaxed),
        12
    );
}

/// Asserts that a map is no `T`, for the reason that these words say, and comes back.
fn assert_refused<T: SharedLayout + core::fmt::Debug>(
    map: Map<perms::ReadWrite, Shared>,
    words: &str,
) -> Map<perms::ReadWrite, Shared> {
    let pages = map.pages();
    let error = map.into_shared::<T>().unwrap_err();
    assert_eq!(
        (error.errno(), error.operation()),
        (Errno::INVAL, "into_shared")
    );
    assert!(error.to_string().contains(words), "{error}");
    let map = error.into_map().expect("the map comes back");
    assert_eq!(map.pages(), pages);
    map
}

#[test]
fn what_does_not_fit_comes_back() {
    let map = assert_refused::<Header>(shared(31), "31 bytes for a struct of 32");
    assert_eq!(map.into_shared::<[AtomicU8; 31]>().unwrap().len(), 31);
    drop(assert_refused::<AtomicU8>(
        shared(0),
        "0 bytes for a struct of 1",
    ));
    let map = shared(page());
    map.atomics::<AtomicU32>(..4).unwrap();
    let map = assert_refused::<Header>(map, "whose atomics have 4 bytes");
    // Its twin and its parts have the same size of atomics, and are refused as well.
    drop(assert_refused::<Header>(
        map.duplicate().unwrap(),
        "a twin of it",
    ));
    let (empty, map) = map.split(0).unwrap();
    drop(assert_refused::<[AtomicU8; 0]>(empty, "a twin of it"));
    drop(assert_refused::<AtomicU32>(map, "a twin of it"));
}

#[test]
fn a_map_that_starts_within_a_page_may_be_misaligned() {
    let file = memory_file(2 * page());
    fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    if mmarinus_sys::Support::overcommit() == Ok(mmarinus_sys::Overcommit::NEVER) {
        crate::testing::skip!("memory may not be overcommitted");
    }
    let at = |offset| {
        let map = Map::bytes(64)
            .from_size_sealed(&file, offset)
            .with_kind(Shared);
        map.with(perms::ReadWrite).unwrap()
    };
    let error = at(4).into_shared::<Header>().unwrap_err();
    assert!(error.to_string().contains("aligned to 8 bytes"), "{error}");
    assert_eq!(error.into_map().unwrap().len(), 64);
    let header = at(8).into_shared::<Header>().unwrap();
    header.flags[0].store(1, Ordering::Relaxed);
    assert_eq!(bytes_of(&at(0))[20], 1);
}

#[test]
fn threads_and_children_share_it() {
    let status = in_child!({
        let header = shared(page()).into_shared::<Header>().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        header.head.fetch_add(1, Ordering::Relaxed);
                        header.flags[1].fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(in_fork(
            || header.head.fetch_add(1, Ordering::Relaxed) == 4000
        ));
        assert_eq!(header.head.load(Ordering::Relaxed), 4001);
        assert_eq!(header.flags[1].load(Ordering::Relaxed), (4000 % 256) as u8);
    });
    assert!(status.success());
}
