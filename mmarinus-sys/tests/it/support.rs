//! What `Support` says, held against what the calls do.

use core::ptr;
use std::fs;
use std::path::Path;

use mmarinus_sys::{
    Advice, Errno, HugePage, MapFlags, MemfdFlags, MemfdSecretFlags, Overcommit, PageCategories,
    PagemapScan, PkeyRights, ProcmapFlags, ProtFlags, Support, ThpMode, UffdFeatures,
    UserfaultfdFlags, cachestat, get_mdwe, get_memory_merge, get_mempolicy_of_thread, madvise,
    memfd_create, memfd_secret, mmap_anonymous, mseal, munmap, page_size, pagemap_scan, pkey_alloc,
    pkey_free, procmap_query, set_vma_anon_name, uffdio_api, userfaultfd, userfaultfd_ioc_new,
};

use crate::common::{Pages, drop_capabilities, forked, memfd, older_than};
use crate::testing::{in_child, skip};

/// Whether an advice works on a page that is there.
fn advises(advice: Advice) -> bool {
    let pages = Pages::new(1);
    pages.set(0, 1);
    // SAFETY: the page is the test's own.
    unsafe { madvise(pages.addr(), pages.len(), advice) }.is_ok()
}

#[test]
fn advice_is_known_where_it_works() {
    assert_eq!(Support::guard_regions(), advises(Advice::GUARD_INSTALL));
    assert_eq!(Support::populate(), advises(Advice::POPULATE_WRITE));
    assert_eq!(Support::dontneed_locked(), advises(Advice::DONTNEED_LOCKED));
}

#[test]
fn versions_agree() {
    assert_eq!(Support::populate(), !older_than(5, 14));
    assert_eq!(Support::process_madvise(), !older_than(5, 10));
    assert_eq!(Support::process_mrelease(), !older_than(5, 15));
    assert_eq!(Support::dontneed_locked(), !older_than(5, 18));
    assert_eq!(Support::memfd_noexec_seal(), !older_than(6, 3));
    assert_eq!(Support::mdwe(), !older_than(6, 3));
    assert_eq!(Support::cachestat(), !older_than(6, 5));
    assert_eq!(Support::pagemap_scan(), !older_than(6, 7));
    assert_eq!(Support::procmap_query(), !older_than(6, 11));
    assert_eq!(Support::guard_regions(), !older_than(6, 13));
    assert_eq!(Support::process_madvise_self(), !older_than(6, 13));
    assert_eq!(Support::file_guard_regions(), !older_than(6, 15));
    if cfg!(target_pointer_width = "64") {
        assert_eq!(Support::mseal(), !older_than(6, 10));
        assert_eq!(Support::droppable(), !older_than(6, 11));
    }
    if Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        assert_eq!(Support::collapse(), !older_than(6, 1));
    }
}

#[test]
fn file_guards_are_where_a_file_takes_them() {
    let file = memfd(1);
    // SAFETY: no address is asked for, so nothing is replaced.
    let addr = unsafe {
        mmarinus_sys::mmap(
            ptr::null_mut(),
            page_size(),
            ProtFlags::READ,
            MapFlags::SHARED,
            &file,
            0,
        )
    };
    let pages = Pages::from_raw(addr.expect("a map").as_ptr(), page_size());
    // SAFETY: the page is the test's own.
    let guard = unsafe { madvise(pages.addr(), pages.len(), Advice::GUARD_INSTALL) };
    assert_eq!(Support::file_guard_regions(), guard.is_ok());
}

#[test]
fn mseal_is_there_where_it_refuses_a_bad_address() {
    // SAFETY: nothing can be mapped at an odd address.
    let odd = unsafe { mseal(ptr::without_provenance_mut(1), page_size()) };
    assert_eq!(Support::mseal(), odd == Err(Errno::INVAL));
}

#[test]
fn keys_are_there_where_one_can_be_had() {
    let key = pkey_alloc(PkeyRights::empty());
    match key {
        Ok(key) => {
            assert!(Support::pkeys());
            // SAFETY: no page has the key.
            unsafe { pkey_free(key) }.expect("the key is ours");
        }
        Err(Errno::NOSYS) => assert!(!Support::pkeys()),
        Err(_) => {
            // Other tests may hold all keys, so the CPU is asked.
            let cpus = fs::read_to_string("/proc/cpuinfo").expect("cpuinfo");
            assert_eq!(Support::pkeys(), cpus.contains(" ospke"));
        }
    }
}

#[test]
fn files_are_there_where_they_can_be_made() {
    assert_eq!(
        Support::memfd_secret(),
        memfd_secret(MemfdSecretFlags::CLOEXEC).is_ok()
    );
    let noexec = memfd_create(c"test", MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL);
    assert_eq!(Support::memfd_noexec_seal(), noexec.is_ok());
    assert_eq!(Support::cachestat(), cachestat(memfd(1), 0, 0).is_ok());
}

#[test]
fn files_of_proc_answer_where_they_can() {
    let maps = fs::File::open("/proc/self/maps").expect("maps");
    let asked = procmap_query(&maps, ptr::null(), ProcmapFlags::COVERING_OR_NEXT_VMA);
    assert_eq!(Support::procmap_query(), asked.is_ok());

    let pagemap = fs::File::open("/proc/self/pagemap").expect("pagemap");
    let what = PagemapScan {
        mask: PageCategories::PRESENT,
        ..PagemapScan::default()
    };
    let scanned = pagemap_scan(&pagemap, 0..page_size() as u64, &what, &mut []);
    assert_eq!(Support::pagemap_scan(), scanned.is_ok());
}

#[test]
fn userfaultfd_is_there_where_it_can_be_made() {
    assert_eq!(
        Support::userfaultfd(),
        userfaultfd(UserfaultfdFlags::CLOEXEC).is_ok()
    );
    let user = userfaultfd(UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::USER_MODE_ONLY);
    assert_eq!(Support::userfaultfd_user_mode_only(), user.is_ok());
    let device = fs::File::open("/dev/userfaultfd").ok();
    let made = device.map(|device| {
        // SAFETY: this is the device.
        unsafe { userfaultfd_ioc_new(device, UserfaultfdFlags::CLOEXEC) }
    });
    assert_eq!(
        Support::userfaultfd_device(),
        made.is_some_and(|made| made.is_ok())
    );

    let any = user.or_else(|_| userfaultfd(UserfaultfdFlags::CLOEXEC));
    let info = any.and_then(|uffd| uffdio_api(&uffd, UffdFeatures::empty()));
    let features = info.map(|info| info.features).unwrap_or_default();
    assert_eq!(Support::userfaultfd_features(), features);
}

#[test]
fn rules_are_there_where_they_can_be_asked_for() {
    assert_eq!(Support::mdwe(), get_mdwe().is_ok());
    assert_eq!(Support::memory_merge(), get_memory_merge().is_ok());
    assert_eq!(Support::numa(), get_mempolicy_of_thread().is_ok());
    assert_eq!(
        Support::mempolicy_home_node(),
        Support::numa() && !older_than(5, 17)
    );
    let pages = Pages::new(1);
    assert_eq!(
        Support::vma_anon_name(),
        set_vma_anon_name(pages.addr(), pages.len(), Some(c"test")).is_ok()
    );
}

#[test]
fn droppable_is_there_where_it_can_be_mapped() {
    // SAFETY: no address is asked for, so nothing is replaced.
    let map = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            page_size(),
            ProtFlags::READ,
            MapFlags::DROPPABLE,
        )
    };
    assert_eq!(Support::droppable(), map.is_ok());
    if let Ok(addr) = map {
        // SAFETY: the page is the test's own.
        unsafe { munmap(addr.as_ptr(), page_size()) }.expect("the page is ours");
    }
}

#[test]
fn poison_is_known_in_kernels_built_for_it() {
    // The kernel has this file only if it is built with MEMORY_FAILURE.
    let built = Path::new("/proc/sys/vm/memory_failure_recovery").exists();
    assert_eq!(Support::hwpoison(), built);
}

#[test]
fn huge_page_sizes_are_those_of_sys() {
    let Ok(dir) = fs::read_dir("/sys/kernel/mm/hugepages") else {
        skip!("the kernel has no huge pages")
    };
    let mut listed: Vec<u64> = dir
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .map(|name| {
            name["hugepages-".len()..name.len() - "kB".len()]
                .parse()
                .expect("a number")
        })
        .map(|kilobytes: u64| kilobytes * 1024)
        .collect();
    listed.sort_unstable();
    let sizes: Vec<HugePage> = Support::huge_page_sizes().collect();
    assert!(
        sizes
            .iter()
            .map(|size| size.bytes().expect("a size"))
            .eq(listed)
    );
    assert!(sizes.contains(&Support::default_huge_page().expect("a default")));
    for size in sizes {
        let figure = |name: &str| -> u64 {
            let kilobytes = size.bytes().unwrap() / 1024;
            let path = format!("/sys/kernel/mm/hugepages/hugepages-{kilobytes}kB/{name}");
            let text = fs::read_to_string(path).expect("a file");
            text.trim().parse().expect("a number")
        };
        // Other tests use the pool, so the figures hold between two equal answers.
        let agree = (0..1000).any(|_| {
            let before = Support::huge_pages(size).expect("the figures");
            let read = [
                figure("nr_hugepages"),
                figure("free_hugepages"),
                figure("resv_hugepages"),
                figure("surplus_hugepages"),
                figure("nr_overcommit_hugepages"),
            ];
            let pages = Support::huge_pages(size).expect("the figures");
            let ours = [
                pages.total,
                pages.free,
                pages.reserved,
                pages.surplus,
                pages.overcommit,
            ];
            before == pages && ours == read
        });
        assert!(agree, "{size:?}");
        let pages = Support::huge_pages(size).expect("the figures");
        assert!(pages.free <= pages.total && pages.surplus <= pages.total);
    }
    assert!(Support::huge_pages(HugePage::DEFAULT).is_ok());
    let absurd = HugePage::from_log2(63).expect("a size");
    assert_eq!(Support::huge_pages(absurd), Err(Errno::NOENT));
}

#[test]
fn modes_are_those_of_the_files() {
    let thp = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok();
    let expected = thp.map(|modes| match modes {
        modes if modes.contains("[always]") => ThpMode::Always,
        modes if modes.contains("[madvise]") => ThpMode::Madvise,
        _ => ThpMode::Never,
    });
    assert_eq!(Support::thp(), expected);
    assert_eq!(Support::thp_size().is_some(), expected.is_some());
    assert!(Support::thp_size().is_none_or(|size| size.is_power_of_two() && size > page_size()));

    let number = |path: &str| {
        fs::read_to_string(path)
            .expect("a file")
            .trim()
            .parse::<u64>()
            .expect("a number")
    };
    assert_eq!(
        Support::overcommit(),
        Ok(Overcommit(number("/proc/sys/vm/overcommit_memory")))
    );
    assert_eq!(
        Support::max_map_count(),
        Ok(number("/proc/sys/vm/max_map_count"))
    );
    assert_eq!(
        Support::mmap_min_addr(),
        Ok(number("/proc/sys/vm/mmap_min_addr"))
    );
    assert_eq!(Support::page_size(), rustix::param::page_size());
}

/// Asks every question.
fn ask_all() -> Vec<u64> {
    let answers = [
        Support::mseal(),
        Support::guard_regions(),
        Support::file_guard_regions(),
        Support::pkeys(),
        Support::memfd_secret(),
        Support::memfd_noexec_seal(),
        Support::populate(),
        Support::dontneed_locked(),
        Support::collapse(),
        Support::hwpoison(),
        Support::droppable(),
        Support::process_madvise(),
        Support::process_madvise_self(),
        Support::process_mrelease(),
        Support::cachestat(),
        Support::procmap_query(),
        Support::pagemap_scan(),
        Support::userfaultfd(),
        Support::userfaultfd_user_mode_only(),
        Support::userfaultfd_device(),
        Support::vma_anon_name(),
        Support::mdwe(),
        Support::memory_merge(),
        Support::numa(),
        Support::mempolicy_home_node(),
        Support::shadow_stack(),
    ];
    let mut answers: Vec<u64> = answers.into_iter().map(u64::from).collect();
    answers.push(Support::userfaultfd_features().bits());
    answers.extend(Support::huge_page_sizes().map(|size| u64::from(size.log2())));
    answers.push(Support::default_huge_page().map_or(0, |size| u64::from(size.log2())));
    answers.push(Support::thp_size().map_or(0, |size| size as u64));
    answers
}

#[test]
fn questions_change_nothing() {
    let status = in_child!({
        // Answers need memory in this test, so it is there before the counting.
        let mut room = Vec::<u64>::with_capacity(4096);
        let account = || {
            let fds = fs::read_dir("/proc/self/fd").expect("fds").count();
            let maps = fs::read_to_string("/proc/self/maps").expect("maps");
            // The heap grows with what the test reads.
            let maps: Vec<String> = maps
                .lines()
                .filter(|line| !line.contains("[heap]"))
                .map(String::from)
                .collect();
            (fds, maps)
        };
        account();
        let before = account();
        room.extend(ask_all());
        let after = account();
        assert_eq!(before, after);
        // What was remembered is what was found.
        assert_eq!(room, ask_all());
    });
    assert!(status.success(), "{status}");
}

#[test]
fn answers_outlive_privileges_and_forks() {
    let status = in_child!({
        let before = ask_all();
        drop_capabilities();
        assert_eq!(ask_all(), before);
        let count = || {
            let some = [
                Support::mseal(),
                Support::guard_regions(),
                Support::userfaultfd(),
                Support::pagemap_scan(),
                Support::process_madvise_self(),
            ];
            some.into_iter().filter(|&yes| yes).count() as u8
        };
        assert_eq!(forked(count), count());
    });
    assert!(status.success(), "{status}");
}
