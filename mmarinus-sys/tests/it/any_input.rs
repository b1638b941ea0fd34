//! Any integer and any combination of flags is taken by the kernel or refused with an errno: nothing panics, nothing is cut off.
//!
//! On 64 bits, where half of all addresses belong to nobody.

use core::ffi::c_void;
use core::ptr;
use std::fs::File;
use std::thread;

use mmarinus_sys::{
    Advice, FallocateFlags, GetMempolicyFlags, IoVec, MapFlags, MbindFlags, MemfdFlags,
    MemfdSecretFlags, MlockFlags, MovePagesFlags, Mpol, MpolModeFlags, MprotectFlags, MsyncFlags,
    NodeMask, PIDFD_SELF, PageCategories, PageRegion, PageStatus, PagemapEntry, PagemapScan,
    PagemapScanFlags, Pkey, PkeyRights, ProcmapFlags, ProtFlags, RemapFlags, SealFlags,
    UffdCopyMode, UffdFeatures, UffdRegisterMode, UserfaultfdFlags, cachestat, fallocate,
    fcntl_add_seals, get_mempolicy, gettid, madvise, mbind, memfd_create, memfd_secret, mincore,
    mlock, mlock2, mmap, mmap_anonymous, move_pages, move_pages_status, mprotect, mremap,
    mremap_fixed, mseal, msync, munlock, munmap, pagemap_read, pagemap_scan, pkey_alloc,
    pkey_mprotect, process_madvise, process_mrelease, process_vm_readv, procmap_query,
    procmap_query_named, remap_file_pages, set_mempolicy, set_mempolicy_home_node,
    set_vma_anon_name, uffdio_api, uffdio_copy, uffdio_register, uffdio_wake, userfaultfd,
};

use crate::testing::in_child;

/// Numbers at the edges of what a kernel, or a cast, keeps apart.
const NUMBERS: [u64; 18] = [
    0,
    1,
    7,
    4095,
    4096,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    (1 << 47) - 4096,
    1 << 47,
    (1 << 63) - 1,
    1 << 63,
    (1 << 63) + 4096,
    u64::MAX - 8191,
    u64::MAX - 4095,
    u64::MAX - 1,
    u64::MAX,
];

/// Lengths, and addresses as numbers.
fn lengths() -> impl Iterator<Item = usize> + Clone {
    NUMBERS.into_iter().map(|n| n as usize)
}

/// Addresses in the upper half, where no process has memory: calls cannot reach any from there.
///
/// On aarch64 some calls ignore the upper eight bits, so there `1 << 63` is address 0 with a tag, and no such place.
fn nowhere() -> impl Iterator<Item = *mut c_void> + Clone {
    lengths()
        .filter(|&n| n >= 1 << 63 && (cfg!(not(target_arch = "aarch64")) || n & 1 << 55 != 0))
        .map(ptr::without_provenance_mut)
}

/// Each bit, none, and all.
fn bits() -> impl Iterator<Item = u32> + Clone {
    (0..32).map(|bit| 1 << bit).chain([0, u32::MAX])
}

/// The maps of this process, but for the heap.
fn maps() -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let maps = maps.lines().filter(|line| !line.contains("[heap]"));
    maps.map(String::from).collect()
}

/// The maps before and after: of a child, where nobody else changes them.
fn leaves_maps_alone(run: impl FnOnce()) {
    maps();
    let before = maps();
    run();
    assert_eq!(before, maps());
}

#[test]
fn ranges_that_nobody_has_are_refused() {
    let status = in_child!({
        leaves_maps_alone(|| {
            for (addr, len) in nowhere().flat_map(|addr| lengths().map(move |len| (addr, len))) {
                // SAFETY: nothing is mapped in the upper half of the addresses, and no range from there ends below it;
                // so is it with all calls of this test.
                let _ = unsafe { munmap(addr, len) };
                // SAFETY: as above.
                let _ = unsafe { mprotect(addr, len, MprotectFlags::empty()) };
                // SAFETY: as above.
                let _ = unsafe { pkey_mprotect(addr, len, MprotectFlags::empty(), Pkey::NONE) };
                // SAFETY: as above.
                let _ = unsafe { madvise(addr, len, Advice::DONTNEED) };
                // SAFETY: as above.
                let _ = unsafe { msync(addr, len, MsyncFlags::SYNC) };
                // SAFETY: as above.
                let _ = unsafe { mseal(addr, len) };
                // SAFETY: as above.
                let locked = unsafe { mlock(addr, len) };
                // SAFETY: as above.
                let unlocked = unsafe { munlock(addr, len) };
                // SAFETY: as above.
                let _ = unsafe { mlock2(addr, len, MlockFlags::ONFAULT) };
                // The kernel would report success for ranges that wrap around.
                if len != 0 {
                    assert!(locked.is_err() && unlocked.is_err(), "{addr:p} {len:#x}");
                }
                let (may_move, page) = (RemapFlags::MAYMOVE, 4096);
                // Before Linux 5.16 it unmaps what lies beyond the new length without a look at what is mapped.
                if !crate::common::older_than(5, 16) {
                    // SAFETY: as above.
                    assert!(unsafe { mremap(addr, len, page, may_move) }.is_err());
                    // SAFETY: as above.
                    assert!(unsafe { mremap_fixed(addr, len, page, may_move, addr) }.is_err());
                }
                // SAFETY: as above.
                assert!(unsafe { remap_file_pages(addr, len, len, MapFlags::empty()) }.is_err());
                let (none, nodes) = (MpolModeFlags::empty(), NodeMask::new());
                // SAFETY: as above.
                let _ =
                    unsafe { mbind(addr, len, Mpol::DEFAULT, none, &nodes, MbindFlags::empty()) };
                let _ = set_mempolicy_home_node(addr, len, len);
                let _ = set_vma_anon_name(addr, len, Some(c"nobody's"));
                let mut pages = [0; 2];
                assert!(mincore(addr, len, &mut pages).is_err() || len == 0);
                let ranges = [IoVec::new(addr, len), IoVec::new(addr, len)];
                // SAFETY: as above.
                let _ = unsafe { process_madvise(PIDFD_SELF, &ranges, Advice::DONTNEED) };
                let mut byte = 0_u8;
                let local = [IoVec::new((&raw mut byte).cast(), 1)];
                // SAFETY: the local range is `byte`.
                let read = unsafe { process_vm_readv(gettid(), &local, &ranges) };
                assert!(read.is_err() || len == 0, "{addr:p} {len:#x}");
            }
        });
    });
    assert!(status.success(), "{status}");
}

#[test]
fn lengths_and_offsets_of_files_are_the_kernels() {
    let status = in_child!({
        let file = File::open("/proc/self/exe").expect("a file");
        let (maps, pagemap) = (
            File::open("/proc/self/maps").expect("maps"),
            File::open("/proc/self/pagemap").expect("pagemap"),
        );
        leaves_maps_alone(|| {
            for (offset, len) in NUMBERS.into_iter().flat_map(|a| NUMBERS.map(|b| (a, b))) {
                // A file that is not open for writing, so that no room is given.
                assert!(fallocate(&file, FallocateFlags::empty(), offset, len).is_err());
                let _ = cachestat(&file, offset, len);
                if let Ok(len) = usize::try_from(len) {
                    // SAFETY: no address is asked for, so nothing is replaced.
                    let map = unsafe {
                        mmap(
                            ptr::null_mut(),
                            len,
                            ProtFlags::READ,
                            MapFlags::PRIVATE,
                            &file,
                            offset,
                        )
                    };
                    if let Ok(map) = map {
                        assert!(offset.is_multiple_of(4096) && len != 0);
                        // SAFETY: the range has just been mapped.
                        unsafe { munmap(map.as_ptr(), len) }.expect("the range is ours");
                    }
                }
                let mut regions = [PageRegion::default(); 1];
                let scan = PagemapScan {
                    mask: PageCategories::PRESENT,
                    max_pages: len,
                    ..PagemapScan::default()
                };
                let _ = pagemap_scan(&pagemap, offset..len, &scan, &mut regions);
            }
            for addr in lengths().map(ptr::without_provenance) {
                let _ = pagemap_read(&pagemap, addr, &mut [PagemapEntry::empty(); 2]);
                let _ = procmap_query(&maps, addr, ProcmapFlags::COVERING_OR_NEXT_VMA);
                for bit in 0..64 {
                    let flags = ProcmapFlags::from_bits_retain(1 << bit);
                    let _ = procmap_query_named(&maps, addr, flags, &mut [0; 1], &mut [0; 1]);
                }
            }
        });
    });
    assert!(status.success(), "{status}");
}

#[test]
fn every_bit_reaches_the_kernel_or_is_refused() {
    let status = in_child!({
        let file = File::open("/proc/self/exe").expect("a file");
        let pagemap = File::open("/proc/self/pagemap").expect("pagemap");
        leaves_maps_alone(|| {
            for bit in bits() {
                drop(memfd_create(c"", MemfdFlags::from_bits_retain(bit)));
                drop(memfd_secret(MemfdSecretFlags::from_bits_retain(bit)));
                let _ = fcntl_add_seals(&file, SealFlags::from_bits_retain(bit));
                let _ = fallocate(&file, FallocateFlags::from_bits_retain(bit), 0, 1);
                let rights = PkeyRights::from_bits_retain(bit) - PkeyRights::ACCESS_MASK;
                let key = pkey_alloc(rights);
                assert!(key.is_err() || rights.is_empty());
                let uffd = userfaultfd(UserfaultfdFlags::from_bits_retain(bit));
                if let Ok(uffd) = uffd {
                    let features = u64::from(bit) << 32 | u64::from(bit);
                    let _ = uffdio_api(&uffd, UffdFeatures::from_bits_retain(features));
                    for len in lengths() {
                        // A range that is not there, or none.
                        let none = ptr::null_mut();
                        let _ = uffdio_wake(&uffd, none, len);
                        let mode = UffdRegisterMode::from_bits_retain(bit.into());
                        // SAFETY: below the first page that can be had nothing is mapped.
                        let _ = unsafe { uffdio_register(&uffd, none, len.min(4096), mode) };
                        let mode = UffdCopyMode::from_bits_retain(bit.into());
                        // SAFETY: as above, for target and source.
                        let _ = unsafe { uffdio_copy(&uffd, none, none, len.min(4096), mode) };
                    }
                }
                let flags = PagemapScanFlags::from_bits_retain(bit.into());
                let (mask, anyof) = (
                    PageCategories::from_bits_retain(bit.into()),
                    PageCategories::from_bits_retain(u64::from(bit) << 32),
                );
                let scan = PagemapScan {
                    flags,
                    mask,
                    anyof,
                    ..PagemapScan::default()
                };
                let _ = pagemap_scan(&pagemap, 0..4096, &scan, &mut []);
                // SAFETY: a range of no bytes.
                let _ = unsafe { madvise(ptr::null_mut(), 0, Advice::from_raw(bit)) };
                // SAFETY: as above.
                let _ = unsafe { msync(ptr::null_mut(), 0, MsyncFlags::from_bits_retain(bit)) };
                let prot = MprotectFlags::from_bits_retain(bit);
                // SAFETY: as above.
                let _ = unsafe { mprotect(ptr::null_mut(), 0, prot) };
                for key in [i32::MIN, -1, 0, 1, i32::MAX] {
                    let key = Pkey::from_raw(key);
                    // SAFETY: as above.
                    let _ = unsafe { pkey_mprotect(ptr::null_mut(), 0, prot, key) };
                }
                let prot = ProtFlags::from_bits_retain(bit);
                // SAFETY: length 0 is refused.
                let map = unsafe {
                    mmap_anonymous(ptr::null_mut(), 0, prot, MapFlags::from_bits_retain(bit))
                };
                assert!(map.is_err());
                let _ = process_mrelease(&file);
            }
        });
    });
    assert!(status.success(), "{status}");
}

#[test]
fn every_policy_and_node_reaches_the_kernel_or_is_refused() {
    // A policy is the thread's own, and ends with it.
    let thread = thread::spawn(|| {
        for bit in bits() {
            let nodes = NodeMask::of(&[bit % 1024]).expect("room for it");
            assert!(nodes.contains(bit % 1024));
            assert_eq!(NodeMask::of(&[bit]).is_ok(), bit < 1024);
            let mut none = NodeMask::new();
            none.remove(bit);
            assert!(!none.contains(bit));
            let _ = set_mempolicy(Mpol(bit), MpolModeFlags::from_bits_retain(bit), &nodes);
            let _ = get_mempolicy(ptr::null(), GetMempolicyFlags::from_bits_retain(bit));
            let pages = [ptr::without_provenance(bit as usize)];
            let mut status = [PageStatus::default()];
            let flags = MovePagesFlags::from_bits_retain(bit);
            let _ = move_pages(None, &pages, &[bit as i32], &mut status, flags);
            let _ = move_pages_status(None, &pages, &mut status);
            let _ = status[0].node();
        }
    });
    thread.join().expect("nothing panics");
}
