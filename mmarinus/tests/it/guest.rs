//! Guest memory: maps as regions of the crate `vm-memory`.
#![expect(
    unsafe_code,
    reason = "a region promises that no two threads race on its bytes"
)]

use core::sync::atomic::{AtomicU32, Ordering};
use std::io::Write;

use mmarinus::backing::{Anonymous, Concurrent, Exposed, SizeSealed};
use mmarinus::guest::GuestRegion;
use mmarinus::kind::Kind;
use mmarinus::{Errno, HugePage, Map, Private, Shared, perms};
use vm_memory::bitmap::{AtomicBitmap, Bitmap};
use vm_memory::{
    Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryError, GuestMemoryRegion,
    GuestRegionCollection, MemoryRegionAddress, VolatileMemory,
};

use crate::common::{anonymous, disk_file, exposed, file_map, page, patterned, shared};
use crate::raw::{keep_present, present};
use crate::testing::{needs, sound};

/// A region of a test.
fn region<K: Kind, B: Concurrent<K>>(
    map: Map<perms::ReadWrite, K, B>,
    start: u64,
) -> GuestRegion<K, B, AtomicBitmap> {
    // SAFETY: where the tests use a region from two threads, these use other bytes, or atomics of one size.
    unsafe { GuestRegion::new(map, GuestAddress(start)) }.expect("a region")
}

#[test]
fn objects_lie_in_one_region_or_across_two() {
    let len = 4 * page() as u64;
    let memory = GuestRegionCollection::from_regions(vec![
        region(exposed(4 * page()), 0x1000),
        region(exposed(4 * page()), 0x1000 + len),
        region(exposed(page()), 1 << 32),
    ])
    .unwrap();
    assert_eq!(memory.num_regions(), 3);
    assert_eq!(
        memory.last_addr(),
        GuestAddress((1 << 32) + page() as u64 - 1)
    );

    // One object in each, one that is in two, and none in the hole behind.
    for at in [0x1000, 0x1000 + len - 3, 0x1000 + 2 * len - 8, 1 << 32] {
        memory
            .write_obj(0x1122_3344_5566_7788_u64, GuestAddress(at))
            .unwrap();
        let read: u64 = memory.read_obj(GuestAddress(at)).unwrap();
        assert_eq!(read, 0x1122_3344_5566_7788, "{at:#x}");
    }
    let hole = 0x1000 + 2 * len;
    for at in [
        0,
        0xfff,
        hole - 7,
        hole,
        (1 << 32) - 4,
        (1 << 32) + page() as u64 - 7,
        u64::MAX,
    ] {
        let written = memory.write_obj(7_u64, GuestAddress(at));
        assert!(written.is_err(), "{at:#x}");
    }

    let found = memory.find_region(GuestAddress(hole - 1)).unwrap();
    assert_eq!(
        (found.start_addr(), found.len()),
        (GuestAddress(0x1000 + len), len)
    );
    assert!(memory.find_region(GuestAddress(hole)).is_none());
    let (found, inside) = memory
        .to_region_addr(GuestAddress(0x1000 + len + 5))
        .unwrap();
    assert_eq!((found.last_addr(), inside.0), (GuestAddress(hole - 1), 5));
    assert!(memory.check_range(GuestAddress(0x1000), 2 * len as usize));
    assert!(!memory.check_range(GuestAddress(0x1000), 2 * len as usize + 1));
    assert!(
        GuestMemoryBackend::get_slices(&memory, GuestAddress(0x1000), 2 * len as usize)
            .all(|slice| slice.is_ok())
    );
}

#[test]
fn a_slice_is_of_the_region_and_of_its_map() {
    let file = disk_file(3 * page());
    let map = Map::bytes(page())
        .from(&file, 100)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    let (addr, pages) = (map.addr(), map.pages());
    let region = region(keep_present(map), 0);
    assert_eq!(
        (region.pages(), region.is_hugetlbfs()),
        (pages, Some(false))
    );
    assert!(region.file_offset().is_none());

    let slice = region.get_slice(MemoryRegionAddress(10), 50).unwrap();
    let mut bytes = [0_u8; 60];
    assert_eq!((slice.len(), slice.copy_to(&mut bytes)), (50, 50));
    assert_eq!(bytes[..50], patterned(110, 50));
    let host = region.get_host_address(MemoryRegionAddress(10)).unwrap();
    assert_eq!(host.addr(), addr + 10);
    assert!(
        region
            .get_host_address(MemoryRegionAddress(page() as u64))
            .is_err()
    );

    let len = page();
    for (offset, count) in [
        (0, len + 1),
        (1, len),
        (len as u64, 1),
        (len as u64 + 1, 0),
        (u64::MAX, 0),
        (u64::MAX, 2),
        (0, usize::MAX),
        (1 << 63, 1 << 63),
    ] {
        let refused = region.get_slice(MemoryRegionAddress(offset), count);
        assert!(
            matches!(refused, Err(GuestMemoryError::InvalidBackendAddress)),
            "{count} bytes from {offset:#x}"
        );
    }
    assert!(
        region
            .get_slice(MemoryRegionAddress(len as u64), 0)
            .unwrap()
            .is_empty()
    );
    assert_eq!(region.as_volatile_slice().unwrap().len(), len);

    // What is written through the region is in the file.
    region
        .write_slice(b"guest", MemoryRegionAddress(3))
        .unwrap();
    let map = region.into_map();
    let mut bytes = [0; 5];
    map.read_at(3, &mut bytes).unwrap();
    assert_eq!(&bytes, b"guest");
}

#[test]
fn the_bitmap_knows_what_was_written() {
    let memory = GuestRegionCollection::from_regions(vec![
        region(exposed(8 * page()), 0),
        region(shared_as_exposed(8 * page()), 8 * page() as u64),
    ])
    .unwrap();
    let end = 8 * page() as u64;
    memory.write_obj(7_u64, GuestAddress(end - 4)).unwrap();
    memory
        .store(
            7_u32,
            GuestAddress(end + 2 * page() as u64),
            Ordering::Relaxed,
        )
        .unwrap();
    let mut read = [0; 100];
    memory
        .read_slice(&mut read, GuestAddress(end + 4 * page() as u64))
        .unwrap();

    let dirty: Vec<Vec<bool>> = memory
        .iter()
        .map(|region| {
            (0..8)
                .map(|at| region.bitmap().dirty_at(at * page()))
                .collect()
        })
        .collect();
    let only = |marked: &[usize]| (0..8).map(|at| marked.contains(&at)).collect::<Vec<_>>();
    assert_eq!(dirty, [only(&[7]), only(&[0, 2])]);

    // A slice of the middle marks what it is of, and a bitmap of another grain its own pages.
    let fine = AtomicBitmap::new(page(), core::num::NonZeroUsize::new(128).unwrap());
    // SAFETY: this is the only thread.
    let region =
        unsafe { GuestRegion::with_bitmap(exposed(page()), GuestAddress(0), fine) }.unwrap();
    let slice = region.get_slice(MemoryRegionAddress(256), 256).unwrap();
    slice.write_obj(1_u8, 130).unwrap();
    assert!(region.bitmap().dirty_at(256 + 130) && !region.bitmap().dirty_at(256));
}

/// A map of the type that `exposed` gives.
fn shared_as_exposed(len: usize) -> Map<perms::ReadWrite, Private, Exposed> {
    anonymous(len).expose()
}

#[test]
fn all_memory_that_others_write_is_guest_memory() {
    fn works<K: Kind, B: Concurrent<K>>(map: Map<perms::ReadWrite, K, B>) {
        let region = region(map, 1 << 40);
        region
            .write_obj(0xabcd_u16, MemoryRegionAddress(1))
            .unwrap();
        assert_eq!(
            region.read_obj::<u16>(MemoryRegionAddress(1)).unwrap(),
            0xabcd
        );
        let map = region.into_map();
        let mut bytes = [0; 2];
        map.read_at(1, &mut bytes).unwrap();
        assert_eq!(u16::from_ne_bytes(bytes), 0xabcd);
    }
    works::<Shared, Anonymous>(shared(page()));
    works::<Private, Exposed>(exposed(page()));
    works::<Shared, Exposed>(shared(page()).expose());
    works(present(page(), Shared, perms::ReadWrite));
    works(present(page(), Private, perms::ReadWrite));
    works(keep_present(file_map(page(), Shared)));
    works::<Shared, SizeSealed>(size_sealed());
    if let Ok(map) = Map::bytes(page())
        .anonymously()
        .droppable()
        .with(perms::ReadWrite)
    {
        works(map);
    }
}

/// A map of a memory file that never shrinks.
fn size_sealed() -> Map<perms::ReadWrite, Shared, SizeSealed> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
    let fd = memfd_create("guest", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&fd, page() as u64).unwrap();
    fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    Map::bytes(page())
        .from_size_sealed(&fd, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap()
}

#[test]
fn huge_pages_say_so() {
    needs!(huge_2mb);
    sound!(huge, {
        let map = Map::bytes(1)
            .anonymously()
            .with_kind(Shared)
            .with_huge_pages(HugePage::SIZE_2MB)
            .with(perms::ReadWrite)
            .unwrap();
        let region = region(map, 0);
        assert_eq!((region.len(), region.is_hugetlbfs()), (1, Some(true)));
        assert_eq!(region.pages().1, 2 << 20);
        region.write_obj(7_u8, MemoryRegionAddress(0)).unwrap();
        assert!(region.write_obj(7_u16, MemoryRegionAddress(0)).is_err());
    });
}

#[test]
fn what_is_no_region_comes_back() {
    let refused = |map, start| {
        // SAFETY: this is the only thread.
        unsafe { GuestRegion::<_, _>::new(map, GuestAddress(start)) }.unwrap_err()
    };
    let empty = refused(exposed(0), 0);
    assert_eq!(
        (empty.errno(), empty.operation()),
        (Errno::INVAL, "guest_region")
    );
    assert!(empty.hint().contains("at least one byte"));
    assert_eq!(empty.into_map().map(|map| map.len()), Some(0));

    let len = page() as u64;
    for start in [u64::MAX, u64::MAX - len + 1] {
        let map = exposed(page());
        map.view(..).unwrap().write_at(0, b"kept").unwrap();
        let error = refused(map, start);
        assert_eq!(error.errno(), Errno::INVAL);
        assert!(
            error.to_string().contains("largest guest address"),
            "{error}"
        );
        let mut bytes = [0; 4];
        error.into_map().unwrap().read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept");
    }
    let last = region(exposed(page()), u64::MAX - len);
    assert_eq!(last.last_addr(), GuestAddress(u64::MAX - 1));
    let memory = GuestRegionCollection::from_regions(vec![last]).unwrap();
    memory.write_obj(7_u8, GuestAddress(u64::MAX - 1)).unwrap();
    assert!(memory.write_obj(7_u8, GuestAddress(u64::MAX)).is_err());
    assert!(memory.write_obj(7_u16, GuestAddress(u64::MAX - 1)).is_err());
}

#[test]
fn atomics_are_of_the_whole_object_or_refused() {
    let memory = GuestRegionCollection::from_regions(vec![region(shared(page()), 0x8000)]).unwrap();
    memory
        .store(5_u32, GuestAddress(0x8000 + 12), Ordering::Release)
        .unwrap();
    let value: u32 = memory
        .load(GuestAddress(0x8000 + 12), Ordering::Acquire)
        .unwrap();
    assert_eq!(value, 5);
    assert!(
        memory
            .store(5_u32, GuestAddress(0x8000 + 13), Ordering::Release)
            .is_err()
    );
    let end = GuestAddress(0x8000 + page() as u64 - 2);
    assert!(memory.load::<u32>(end, Ordering::Acquire).is_err());

    // Threads count by atomics of one size, and copy elsewhere.
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let memory = &memory;
            scope.spawn(move || {
                let region = memory.iter().next().unwrap();
                let slice = region.get_slice(MemoryRegionAddress(64), 8).unwrap();
                let counter: &AtomicU32 = slice.get_atomic_ref(0).unwrap();
                for _ in 0..1000 {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                memory
                    .write_obj(thread, GuestAddress(0x8000 + 128 + 8 * thread))
                    .unwrap();
            });
        }
    });
    assert_eq!(
        memory
            .load::<u32>(GuestAddress(0x8000 + 64), Ordering::Relaxed)
            .unwrap(),
        4000
    );
    assert_eq!(
        memory.read_obj::<u64>(GuestAddress(0x8000 + 152)).unwrap(),
        3
    );
}

#[test]
fn a_file_is_read_into_two_regions_and_out_of_them() {
    let memory = GuestRegionCollection::from_regions(vec![
        region(exposed(page()), 0),
        region(exposed(page()), page() as u64),
    ])
    .unwrap();
    let mut file = disk_file(2 * page());
    let start = GuestAddress(100);
    memory
        .read_exact_volatile_from(start, &mut file, 2 * page() - 100)
        .unwrap();
    let mut bytes = vec![0; 2 * page() - 100];
    memory.read_slice(&mut bytes, start).unwrap();
    assert_eq!(bytes, patterned(0, 2 * page() - 100));

    let mut out = Vec::new();
    let slices = GuestMemoryBackend::get_slices(&memory, GuestAddress(page() as u64 - 5), 10);
    for slice in slices {
        let slice = slice.unwrap();
        let mut part = vec![0_u8; slice.len()];
        slice.copy_to(&mut part);
        out.write_all(&part).unwrap();
    }
    assert_eq!(out, patterned(page() - 105, 10));
}

#[test]
fn a_region_prints_where_it_is() {
    let region = region(exposed(page()), 0x1000);
    let text = format!("{region:?}");
    assert!(
        text.starts_with("GuestRegion { start: 0x1000, map: Map {"),
        "{text}"
    );
}
