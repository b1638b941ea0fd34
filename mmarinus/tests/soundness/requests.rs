//! Requests that are refused, before the kernel maps and after it: nothing is left behind, and nothing that could fault is made.
#![forbid(unsafe_code)]

use std::fs::File;

use mmarinus::{Errno, HugePage, Map, Shared, perms};
use rustix::process::Resource;

use crate::common::{anonymous, disk_file, limit, page, without_privileges};
use crate::testing::{needs, sound};

const HUGE: usize = 2 << 20;

/// Every size that has a name.
const SIZES: [HugePage; 13] = [
    HugePage::DEFAULT,
    HugePage::SIZE_16KB,
    HugePage::SIZE_64KB,
    HugePage::SIZE_512KB,
    HugePage::SIZE_1MB,
    HugePage::SIZE_2MB,
    HugePage::SIZE_8MB,
    HugePage::SIZE_16MB,
    HugePage::SIZE_32MB,
    HugePage::SIZE_256MB,
    HugePage::SIZE_512MB,
    HugePage::SIZE_1GB,
    HugePage::SIZE_16GB,
];

#[test]
fn what_fails_after_it_was_mapped_leaves_nothing() {
    sound!({
        let file = disk_file(page());
        limit(Resource::Memlock, 2 * page() as u64);
        without_privileges(|| {
            for _ in 0..20 {
                let request = || Map::bytes(64 * page());
                let locked = request().anonymously().locked();
                locked.with(perms::ReadWrite).unwrap_err();
                let locked = request().anonymously().guarded().locked();
                locked.with(perms::ReadWrite).unwrap_err();
                let locked = request().from(&file, 0).locked();
                locked.with(perms::Read).unwrap_err();
                let locked = request().anonymously().aligned_to(1 << 30).locked();
                locked.with(perms::ReadWrite).unwrap_err();
                // All pages but one are past the end of the file.
                let populated = request().from(&file, 0).populate();
                populated.with(perms::Read).unwrap_err();
                let populated = request().from(&file, 0).guarded().populate();
                populated.with(perms::ReadWrite).unwrap_err();
                let populated = request().from(&file, 0).with_kind(Shared).populate();
                populated.with(perms::Read).unwrap_err();
                let mut old = anonymous(64 * page());
                old.fill(7);
                let populated = old.remap().from(&file, 0).populate();
                let old = populated.with(perms::Read).unwrap_err().into_map().unwrap();
                assert!(old.iter().all(|&byte| byte == 7));
            }
        });
    });
}

#[test]
fn nothing_is_mapped_that_could_not_be_touched() {
    sound!({
        let refused = |errno: Errno| assert_eq!(errno, Errno::OPNOTSUPP);
        let request = || Map::bytes(page()).no_reserve().with_kind(Shared);
        for populate in [false, true] {
            let request = || {
                if populate {
                    request().populate()
                } else {
                    request()
                }
            };
            refused(
                request()
                    .anonymously()
                    .with(perms::None)
                    .unwrap_err()
                    .errno(),
            );
            refused(
                request()
                    .anonymously()
                    .with(perms::Read)
                    .unwrap_err()
                    .errno(),
            );
            let writable = request().anonymously().with(perms::ReadWrite);
            refused(writable.unwrap_err().errno());
        }
        for size in SIZES {
            for request in [
                Map::bytes(page())
                    .anonymously()
                    .no_reserve()
                    .with_huge_pages(size),
                Map::bytes(page())
                    .with_huge_pages(size)
                    .no_reserve()
                    .anonymously(),
            ] {
                request.with(perms::ReadWrite).unwrap_err();
            }
        }
    });
}

#[test]
fn pages_have_the_size_that_was_named_or_there_is_no_map() {
    needs!(huge_2mb);
    sound!(huge, {
        for size in SIZES {
            let request = Map::bytes(page()).anonymously().with_huge_pages(size);
            if let Ok(mut map) = request.with(perms::ReadWrite) {
                let named = size.bytes().map_or(map.page_size() as u64, |bytes| bytes);
                assert_eq!(map.page_size() as u64, named);
                assert_ne!(map.page_size(), page());
                map.fill(7);
            }
        }
    });
}

#[test]
fn huge_pages_are_given_back_whole_whatever_was_asked_for() {
    needs!(huge_2mb);
    sound!(huge, {
        let request = |len| {
            Map::bytes(len)
                .anonymously()
                .with_huge_pages(HugePage::SIZE_2MB)
        };
        for len in [1, page(), HUGE - 1, HUGE] {
            let mut map = request(len).with(perms::ReadWrite).unwrap();
            map.fill(1);
            assert_eq!((map.len(), map.pages().1), (len, HUGE));
            for cut in [1, page(), HUGE / 2, HUGE - page()] {
                if cut < len {
                    map = map.split(cut).unwrap_err().into_map().unwrap();
                }
            }
            let map = map.reprotect(perms::Read).unwrap();
            assert!(map.iter().all(|&byte| byte == 1));
        }
        let map = request(HUGE + 1).with(perms::ReadWrite).unwrap();
        let (one, two) = map.split(HUGE).unwrap();
        assert_eq!((one.len(), two.len()), (HUGE, 1));
        let one = one.reprotect(perms::None).unwrap();
        drop(two);
        drop(one.reprotect(perms::ReadWrite).unwrap());
    });
}

#[test]
fn a_whole_file_is_mapped_as_it_is_opened() {
    sound!({
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let mut map = Map::bytes(10)
            .from(
                &File::options().read(true).write(true).open(&path).unwrap(),
                0,
            )
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        map.write_at(0, b"x").unwrap();
        // For reading alone there is no shared map that may be written, and the refusal leaves nothing.
        let error = Map::bytes(10)
            .from(&File::open(&path).unwrap(), 0)
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::ACCESS);
        assert_eq!(std::fs::read(&path).unwrap(), b"x123456789");
    });
}
