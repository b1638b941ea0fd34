//! Giving pages back: by `unmap`, by dropping, and when the kernel refuses.

use mmarinus::backing::Backing;
use mmarinus::kind::Kind;
use mmarinus::{Errno, Map, Private, Shared, perms};

use crate::common::{
    Vma, anonymous, disk_file, exposed, file_map, is_free, mappings, open_descriptors, page, shared,
};
use crate::raw::{self, Call, present, stable};
use crate::testing::{in_child, skip, times};

#[test]
fn every_map_gives_its_pages_back() {
    let status = in_child!({
        fn assert_gives<P: perms::Permissions, K: Kind, B: Backing<K>>(
            map: impl Fn() -> Map<P, K, B>,
        ) {
            let one = map();
            let (start, len) = one.pages();
            assert!(!is_free(start, page()));
            one.unmap().unwrap();
            assert!(is_free(start, len), "unmap");
            let two = map();
            let (start, len) = two.pages();
            drop(two);
            assert!(is_free(start, len), "drop");
        }
        let len = 2 * page() + 5;
        let before = open_descriptors();
        assert_gives(|| anonymous(len));
        assert_gives(|| anonymous(len).reprotect(perms::None).unwrap());
        assert_gives(|| anonymous(len).forget_permissions());
        assert_gives(|| shared(len));
        assert_gives(|| exposed(len));
        assert_gives(|| file_map(len, Private));
        assert_gives(|| file_map(len, Shared));
        assert_gives(|| {
            Map::bytes(len)
                .from(&disk_file(2 * len), 77)
                .with(perms::Read)
                .unwrap()
        });
        assert_gives(|| stable(len, Private, perms::Read));
        assert_gives(|| present(len, Shared, perms::ReadWrite));
        assert_gives(|| {
            Map::bytes(len)
                .anonymously()
                .locked()
                .populate()
                .with(perms::Read)
                .unwrap()
        });
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success());
}

#[test]
fn nothing_is_given_back_of_nothing() {
    let status = in_child!({
        let before = mappings();
        anonymous(0).unmap().unwrap();
        drop(shared(0));
        let (whole, none) = anonymous(page()).split(page()).unwrap();
        none.unmap().unwrap();
        assert_eq!(whole[0], 0);
        drop(whole);
        assert_eq!(mappings(), before);
    });
    assert!(status.success());
}

#[test]
fn a_refusal_gives_the_map_back() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let mut map = anonymous(3 * page());
        map.fill(7);
        let addr = map.addr();
        raw::forbid(&[Call::Munmap], Errno::NOMEM).unwrap();
        let error = map.unmap().unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::NOMEM, "munmap"));
        assert!(error.to_string().contains("max_map_count"), "{error}");
        let mut map = error.into_map().unwrap();
        assert_eq!((map.addr(), map.len()), (addr, 3 * page()));
        assert!(map.iter().all(|&byte| byte == 7));
        map.fill(8);
        assert_eq!(map[page()], 8);
    });
    assert!(status.success());
}

#[test]
fn what_cannot_be_unmapped_is_emptied() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let len = 64 * page();
        let file = disk_file(len);
        let map = Map::bytes(len)
            .from(&file, 0)
            .populate()
            .with(perms::ReadWrite)
            .unwrap();
        let addr = map.addr();
        assert_eq!(Vma::of(&map).bytes("Rss"), len);
        raw::forbid(&[Call::Munmap], Errno::NOMEM).unwrap();
        drop(map);
        let vma = Vma::at(addr).expect("the kernel keeps it");
        assert_eq!(vma.bytes("Rss"), 0, "the memory is given back");
    });
    assert!(status.success());
}

#[test]
fn maps_may_be_dropped_by_another_thread() {
    let status = in_child!({
        let map = anonymous(2 * page());
        let (addr, len) = map.pages();
        std::thread::spawn(move || drop(map)).join().unwrap();
        assert!(is_free(addr, len));
    });
    assert!(status.success());
}

#[test]
fn a_panic_unmaps() {
    let status = in_child!({
        let map = anonymous(2 * page());
        let (addr, len) = map.pages();
        let result = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
            let _map = map;
            panic!("on purpose");
        }));
        assert!(result.is_err());
        assert!(is_free(addr, len));
    });
    assert!(status.success());
}

#[test]
fn ten_thousand_maps_leave_nothing() {
    let status = in_child!({
        let file = disk_file(2 * page());
        let (mappings, open) = (crate::common::mappings(), open_descriptors());
        for round in 0..times(10_000) as u64 {
            let map = Map::bytes(page())
                .from(&file, round % 4096)
                .with_kind(Shared)
                .with(perms::Read)
                .unwrap();
            let map = map.reprotect(perms::ReadWrite).unwrap();
            drop(map);
        }
        assert_eq!(
            (crate::common::mappings(), open_descriptors()),
            (mappings, open)
        );
    });
    assert!(status.success());
}
