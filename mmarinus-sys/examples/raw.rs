//! Raw calls and what they do to `/proc/self/maps`: reserve, place, move without unmapping, guard, seal.
//!
//! Run it with `cargo run -p mmarinus-sys --example raw`.
#![expect(
    unsafe_code,
    reason = "the calls are raw: the program answers for every range"
)]

use core::error::Error;
use core::ffi::c_void;
use core::ptr;

use mmarinus_sys::{
    Advice, Errno, IoVec, MapFlags, ProtFlags, RemapFlags, gettid, madvise, mmap_anonymous, mremap,
    mseal, munmap, page_size, process_vm_readv,
};

/// How many pages are reserved.
const PAGES: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let len = PAGES * page_size();
    let read_write = ProtFlags::READ | ProtFlags::WRITE;

    // Address space that nobody may touch, and that costs no memory.
    let reserve = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: no address is asked for, so nothing is replaced.
    let base =
        unsafe { mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), reserve)? }.as_ptr();
    let page = |index: usize| base.wrapping_byte_add(index * page_size());
    show("reserved", base, len)?;

    // Two pages placed in it. `FIXED_NOREPLACE` never replaces, so their place must be free first.
    let place = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
    // SAFETY: the flag replaces nothing.
    let refused = unsafe { mmap_anonymous(page(2), 2 * page_size(), read_write, place) };
    assert_eq!(refused, Err(Errno::EXIST));
    // SAFETY: the pages are ours, and nobody borrows from them.
    unsafe { munmap(page(2), 2 * page_size())? };
    // SAFETY: the flag replaces nothing.
    unsafe { mmap_anonymous(page(2), 2 * page_size(), read_write, place)? };
    let words = b"geography";
    // SAFETY: the page is ours, mapped and writable, and longer than the words.
    unsafe { page(2).cast::<[u8; 9]>().write(*words) };
    show("placed", base, len)?;

    // The bytes leave, the pages stay: the old place is zeros, the new one is where the kernel likes.
    let flags = RemapFlags::MAYMOVE | RemapFlags::DONTUNMAP;
    // SAFETY: the page is ours, and nobody borrows from it.
    let moved = unsafe { mremap(page(2), page_size(), page_size(), flags)? }.as_ptr();
    assert_eq!(read(moved)?, *words);
    assert_eq!(read(page(2))?, [0; 9]);
    show("moved", base, len)?;
    show("moved to", moved, page_size())?;

    // A guard makes touching a page a signal, and copying from it an error. It needs no map of its own.
    // SAFETY: the page is ours, and nobody borrows from it.
    match unsafe { madvise(page(3), page_size(), Advice::GUARD_INSTALL) } {
        Ok(()) => {
            assert_eq!(read(page(3)), Err(Errno::FAULT));
            show("guarded", base, len)?;
        }
        Err(error) => println!("guarded: not here: {error}"),
    }

    // Sealed pages are what they are until the process ends.
    // SAFETY: the page is ours, and nobody will want it unmapped.
    match unsafe { mseal(moved, page_size()) } {
        Ok(()) => {
            // SAFETY: the page is ours, and nobody borrows from it.
            assert_eq!(unsafe { munmap(moved, page_size()) }, Err(Errno::PERM));
            show("sealed", moved, page_size())?;
        }
        Err(error) => println!("sealed: not here: {error}"),
    }

    // SAFETY: the range is ours, and nobody borrows from it.
    unsafe { munmap(base, len)? };
    show("unmapped", base, len)?;
    Ok(())
}

/// Copies nine bytes from an address that need not be mapped.
fn read(addr: *mut c_void) -> mmarinus_sys::Result<[u8; 9]> {
    let mut bytes = [0; 9];
    let local = [IoVec::new((&raw mut bytes).cast(), bytes.len())];
    let remote = [IoVec::new(addr, bytes.len())];
    // SAFETY: the local range is `bytes`, which nobody else uses.
    unsafe { process_vm_readv(gettid(), &local, &remote)? };
    Ok(bytes)
}

/// Prints the lines of `/proc/self/maps` that have to do with a range.
fn show(what: &str, addr: *mut c_void, len: usize) -> Result<(), Box<dyn Error>> {
    println!("{what}:");
    for line in std::fs::read_to_string("/proc/self/maps")?.lines() {
        let (range, _) = line.split_once(' ').ok_or("a line without a range")?;
        let (start, end) = range.split_once('-').ok_or("a range without an end")?;
        let (start, end) = (
            usize::from_str_radix(start, 16)?,
            usize::from_str_radix(end, 16)?,
        );
        if start < addr.addr() + len && addr.addr() < end {
            println!("  {}", line.trim_end());
        }
    }
    Ok(())
}
