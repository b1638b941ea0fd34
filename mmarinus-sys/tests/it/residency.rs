//! `mincore`, `cachestat`.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use mmarinus_sys::{
    CacheStat, Errno, HugePage, MapFlags, MemfdFlags, cachestat, memfd_create, mincore, mmap,
    page_size,
};

use crate::common::{Pages, RW, disk_file, is_root, memfd, older_than, path_fd, punch};
use crate::testing::{features, in_child, needs, skip};

#[test]
fn touched_pages_are_in_memory() {
    let status = in_child!({
        let pages = Pages::with(4, RW, MapFlags::PRIVATE | MapFlags::NORESERVE);
        pages.set(page_size(), 1);
        pages.set(3 * page_size(), 1);
        let mut answer = [0xff; 5];
        mincore(pages.addr(), pages.len(), &mut answer).unwrap();
        assert_eq!(answer.map(|byte| byte & 1), [0, 1, 0, 1, 1]);
        assert_eq!(answer[4], 0xff, "beyond the range");
        // Rounded up to pages.
        let mut answer = [0xff; 3];
        mincore(pages.addr(), page_size() + 1, &mut answer).unwrap();
        assert_eq!(answer.map(|byte| byte & 1), [0, 1, 1]);
    });
    assert!(status.success());
}

#[test]
fn mincore_checks_its_arguments() {
    let pages = Pages::new(2);
    let mut answer = [0; 2];
    assert_eq!(
        mincore(pages.byte(1).cast(), 1, &mut answer),
        Err(Errno::INVAL)
    );
    assert_eq!(
        mincore(pages.addr(), 2 * page_size() + 1, &mut answer),
        Err(Errno::INVAL)
    );
    assert_eq!(
        mincore(pages.addr(), usize::MAX, &mut answer),
        Err(Errno::INVAL)
    );
    assert_eq!(mincore(pages.addr(), 1, &mut []), Err(Errno::INVAL));
    assert_eq!(mincore(pages.addr(), 0, &mut []), Ok(()));
    let beyond = core::ptr::without_provenance(usize::MAX & !(page_size() - 1));
    assert_eq!(mincore(beyond, 1, &mut answer), Err(Errno::NOMEM));
    let status = in_child!({
        let pages = Pages::new(3);
        punch(&pages, 1, 1);
        assert_eq!(
            mincore(pages.addr(), pages.len(), &mut [0; 3]),
            Err(Errno::NOMEM)
        );
    });
    assert!(status.success());
}

#[test]
fn cachestat_is_the_kernels() {
    assert_eq!(
        size_of::<CacheStat>(),
        size_of::<linux_raw_sys::general::cachestat>()
    );
    let sum = CacheStat {
        nr_cache: 1,
        ..CacheStat::default()
    };
    assert_eq!((sum.nr_cache, sum.nr_dirty), (1, 0));
}

#[test]
fn pages_of_a_file_are_counted() {
    needs!(cachestat);
    let fd = disk_file(8);
    let count =
        |offset: usize, len: usize| cachestat(&fd, offset as u64, len as u64).unwrap().nr_cache;
    assert_eq!(count(0, 0), 0);
    fd.write_all_at(&[1], 3 * page_size() as u64).unwrap();
    let (one, page) = (1, page_size());
    assert_eq!(count(3 * page, page), one);
    assert_eq!(count(3 * page, 1), one);
    assert_eq!(count(0, 3 * page), 0);
    assert_eq!(count(4 * page, 0), 0);
    // What lives in memory is never written back.
    let dirty = u64::from(features::disk().is_there);
    assert_eq!(cachestat(&fd, 0, 0).unwrap().nr_dirty, dirty);
    // Beyond the file, and to the end of all numbers.
    assert_eq!(
        cachestat(&fd, 1 << 40, u64::MAX).unwrap(),
        CacheStat::default()
    );
    assert_eq!(
        cachestat(&fd, u64::MAX, u64::MAX).unwrap(),
        CacheStat::default()
    );
}

#[test]
fn a_map_fills_the_page_cache() {
    needs!(cachestat);
    let fd = memfd(0);
    fd.set_len(4 * page_size() as u64).unwrap();
    // SAFETY: no address is asked for, so nothing is replaced.
    let map = unsafe {
        mmap(
            core::ptr::null_mut(),
            4 * page_size(),
            RW,
            MapFlags::SHARED,
            &fd,
            0,
        )
    };
    let map = Pages::from_raw(map.unwrap().as_ptr(), 4 * page_size());
    map.set(0, 1);
    map.set(2 * page_size(), 1);
    assert_eq!(cachestat(&fd, 0, 0).unwrap().nr_cache, 2);
}

#[test]
fn files_that_cannot_be_counted_say_why() {
    needs!(cachestat);
    assert_eq!(cachestat(path_fd(), 0, 0), Err(Errno::BADF));
    match memfd_create(
        c"huge",
        HugePage::DEFAULT.memfd_flags() | MemfdFlags::CLOEXEC,
    ) {
        Ok(huge) => assert_eq!(cachestat(&huge, 0, 0), Err(Errno::OPNOTSUPP)),
        Err(error) => assert!(
            matches!(error, Errno::INVAL | Errno::NODEV | Errno::NOSYS),
            "{error:?}"
        ),
    }
}

#[test]
fn the_page_cache_of_others_is_private() {
    if !is_root() || older_than(6, 14) {
        skip!("needs root, and Linux 6.14");
    }
    let status = in_child!({
        let owned = disk_file(1);
        let exe = File::open("/proc/self/exe").unwrap();
        assert!(cachestat(&exe, 0, 0).is_ok());
        become_nobody();
        assert_eq!(cachestat(&exe, 0, 0), Err(Errno::PERM));
        // What may be written may be counted.
        assert!(cachestat(owned.as_fd(), 0, 0).is_ok());
    });
    assert!(status.success());
}

/// Gives up all rights. Only in a child.
fn become_nobody() {
    let nobody = rustix::fs::Uid::from_raw(65534);
    rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("root may become anybody");
}
