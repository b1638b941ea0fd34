//! What few machines have: direct access to storage, huge pages of the pool, addresses above 47 bits.

use core::ffi::c_void;
use core::ptr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use mmarinus_sys::{
    Errno, HugePage, MapFlags, MsyncFlags, Result, mmap, mmap_anonymous, msync, page_size,
};

use crate::common::{Pages, RW, Vma, disk_file, memfd};
use crate::testing::{features, in_child, needs};

/// Maps a page of a file so that what is written to it has its place on storage.
fn synchronous(file: &File) -> Result<Pages> {
    let flags = MapFlags::SHARED_VALIDATE | MapFlags::SYNC;
    // SAFETY: no fixed address, so nothing is replaced.
    let addr = unsafe { mmap(ptr::null_mut(), page_size(), RW, flags, file, 0) }?;
    Ok(Pages::from_raw(addr.as_ptr(), page_size()))
}

#[test]
fn direct_access_is_synchronous() {
    needs!(dax);
    let folder = features::dax_folder().expect("a folder");
    let path = folder.join("direct_access_is_synchronous");
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .expect("a file");
    file.write_all_at(&vec![1; page_size()], 0).expect("room");
    let pages = synchronous(&file).expect("a synchronous map");
    pages.set(7, 42);
    let vma = Vma::at(pages.addr()).expect("a mapping");
    assert!(vma.has("sf"), "{:?}", vma.flags);
    let mut byte = [0];
    file.read_exact_at(&mut byte, 7).expect("a byte");
    assert_eq!(byte, [42]);
    // SAFETY: the pages belong to the test; to write them back changes no byte.
    unsafe { msync(pages.addr(), pages.len(), MsyncFlags::SYNC) }.expect("written back");
    drop(pages);
    assert_eq!(fs::read(&path).expect("the file")[7], 42);
    fs::remove_file(&path).expect("the test's own file");
}

#[test]
fn what_is_no_direct_access_is_not_synchronous() {
    for file in [disk_file(page_size()), memfd(1)] {
        assert_eq!(synchronous(&file).err(), Some(Errno::OPNOTSUPP));
    }
}

/// Maps one page of the pool of this size, and writes it.
fn assert_huge(size: HugePage) {
    let len = size.bytes().and_then(|len| len.try_into().ok());
    let len: usize = len.expect("a size that a map may have");
    let flags = MapFlags::PRIVATE | size.map_flags();
    // SAFETY: no fixed address, so nothing is replaced.
    let addr = unsafe { mmap_anonymous(ptr::null_mut(), len, RW, flags) }.expect("a huge page");
    let pages = Pages::from_raw(addr.as_ptr(), len);
    assert!(pages.addr().addr().is_multiple_of(len));
    pages.set(len - 1, 7);
    assert_eq!((pages.get(0), pages.get(len - 1)), (0, 7));
    let vma = Vma::at(pages.addr()).expect("a mapping");
    assert_eq!(vma.kilobytes("KernelPageSize") << 10, len);
}

#[test]
fn a_page_of_2_mib_is_one_page() {
    needs!(huge_2mb);
    assert_huge(HugePage::SIZE_2MB);
}

#[test]
fn a_page_of_1_gib_is_one_page() {
    needs!(huge_1gb);
    assert_huge(HugePage::SIZE_1GB);
}

/// Where the kernel puts a page for which it gets this hint.
fn placed(hint: usize) -> usize {
    let hint: *mut c_void = ptr::without_provenance_mut(hint);
    // SAFETY: a hint replaces nothing.
    let addr = unsafe { mmap_anonymous(hint, page_size(), RW, MapFlags::PRIVATE) };
    let pages = Pages::from_raw(addr.expect("a page").as_ptr(), page_size());
    pages.set(0, 7);
    assert_eq!(pages.get(0), 7);
    pages.addr().addr()
}

#[test]
fn addresses_above_47_bits_are_given_to_those_who_ask() {
    needs!(address57);
    let status = in_child!({
        assert_eq!(placed(1 << 52), 1 << 52);
        // Any hint above opens the range, also one that cannot be had.
        assert!(placed(usize::MAX & !(page_size() - 1)) >> 47 > 0);
        // Without one, programs that keep something in the upper bits go on working.
        assert_eq!(placed(0) >> 47, 0);
        assert_eq!(placed(1 << 46) >> 47, 0);
    });
    assert!(status.success());
}
