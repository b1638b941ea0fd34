//! How much of a file is in the page cache.

use core::ops::{Bound, RangeBounds};
use std::fs::File;

use mmarinus::{Errno, PageCache, Source};
use rustix::fs::Advice;

use crate::common::{disk_file, memory_file, page};
use crate::raw::{self, Call};
use crate::testing::{in_child, needs, skip};

/// What is cached of a range.
fn cached(file: &File, range: impl RangeBounds<u64>) -> PageCache {
    let source = Source::of(file).expect("a file");
    source.page_cache(range).expect("figures")
}

#[test]
fn the_pages_of_a_range_are_counted() {
    needs!(cachestat);
    let file = memory_file(8 * page());
    let page = page() as u64;
    let all = 8 * page;
    assert_eq!(cached(&file, ..).cached, all);
    assert_eq!(cached(&file, ..page).cached, page);
    assert_eq!(cached(&file, page - 1..page + 1).cached, 2 * page);
    assert_eq!(cached(&file, 7 * page..=u64::MAX).cached, page);
    assert_eq!(
        cached(
            &file,
            (Bound::Excluded(page - 1), Bound::Included(2 * page - 1))
        )
        .cached,
        page
    );
    assert_eq!(cached(&file, all..), PageCache::default());
    assert_eq!(cached(&file, u64::MAX - 1..u64::MAX), PageCache::default());
    assert_eq!(cached(&file, 5..5), PageCache::default());
    assert_eq!(cached(&file, 0..0), PageCache::default());
}

#[test]
fn what_is_not_written_back_is_dirty() {
    needs!(cachestat, disk);
    let file = disk_file(8 * page());
    assert!(cached(&file, ..).dirty > 0);
    file.sync_all().unwrap();
    let clean = cached(&file, ..);
    assert_eq!((clean.dirty, clean.cached), (0, 8 * page() as u64));
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    let gone = cached(&file, ..);
    assert!(gone.cached < clean.cached, "{gone:?}");
}

#[test]
fn a_range_that_ends_before_it_starts_is_refused() {
    let file = memory_file(page());
    let source = Source::of(&file).unwrap();
    for range in [
        (Bound::Included(2), Bound::Excluded(1)),
        (Bound::Included(u64::MAX), Bound::Excluded(0)),
        (Bound::Excluded(u64::MAX), Bound::Unbounded),
    ] {
        let error = source.page_cache(range).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::INVAL, "cachestat")
        );
        assert!(error.to_string().contains("before it ends"), "{error}");
    }
}

#[test]
fn old_kernels_say_so() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let file = memory_file(page());
        raw::forbid(&[Call::Cachestat], Errno::NOSYS).unwrap();
        let error = Source::of(&file).unwrap().page_cache(..).unwrap_err();
        assert_eq!(error.errno(), Errno::NOSYS);
        assert!(error.to_string().contains("6.5"), "{error}");
    });
    assert!(status.success());
}
