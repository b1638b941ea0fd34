//! The functions by hand, as an author who knows what the memory is would write them.
#![expect(unsafe_code, reason = "what maps are compared with")]

use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use rustix::mm::munmap;

/// Mapped memory, of which nothing else is known.
#[derive(Debug)]
pub struct Memory {
    ptr: *mut u8,
    len: usize,
    /// The size of the atomics that it is used as.
    width: AtomicU32,
    /// As much as a map has besides, so that both are passed in the same way.
    _more: u32,
}

/// The length in bytes.
#[inline(never)]
pub fn len(map: &Memory) -> usize {
    map.len
}

/// The first byte.
#[inline(never)]
pub fn as_ptr(map: &Memory) -> *const u8 {
    map.ptr
}

/// The bytes.
#[inline(never)]
pub fn as_slice(map: &Memory) -> &[u8] {
    // SAFETY: nobody makes a `Memory` of something else than mapped bytes.
    unsafe { core::slice::from_raw_parts(map.ptr, map.len) }
}

/// The bytes, by reference.
#[inline(never)]
pub fn deref(map: &Memory) -> &[u8] {
    // SAFETY: as in `as_slice`.
    unsafe { core::slice::from_raw_parts(map.ptr, map.len) }
}

/// The bytes, by mutable reference.
#[inline(never)]
pub fn deref_mut(map: &mut Memory) -> &mut [u8] {
    // SAFETY: as in `as_slice`.
    unsafe { core::slice::from_raw_parts_mut(map.ptr, map.len) }
}

/// One byte.
#[inline(never)]
pub fn index(map: &Memory, at: usize) -> u8 {
    // SAFETY: as in `as_slice`.
    let bytes = unsafe { core::slice::from_raw_parts(map.ptr, map.len) };
    bytes[at]
}

/// The sum of the bytes, in a loop.
#[inline(never)]
pub fn sum(map: &Memory) -> u64 {
    // SAFETY: as in `as_slice`.
    let bytes = unsafe { core::slice::from_raw_parts(map.ptr, map.len) };
    bytes.iter().copied().map(u64::from).sum()
}

/// All bytes set to one value.
#[inline(never)]
pub fn fill(map: &mut Memory, byte: u8) {
    // SAFETY: as in `as_slice`.
    let bytes = unsafe { core::slice::from_raw_parts_mut(map.ptr, map.len) };
    bytes.fill(byte);
}

/// All bytes as atomics, if they are aligned, no byte is left, and they are used as atomics of this size.
#[inline(never)]
pub fn atomics(map: &Memory) -> Option<&[AtomicU64]> {
    let first = map.ptr.cast::<AtomicU64>();
    if !first.is_aligned() || !map.len.is_multiple_of(size_of::<AtomicU64>()) {
        return None;
    }
    if map.width.load(Ordering::Relaxed) != 8 {
        return None;
    }
    // SAFETY: as in `as_slice`; they are aligned, and a whole number.
    Some(unsafe { core::slice::from_raw_parts(first, map.len / size_of::<AtomicU64>()) })
}

/// The end of a map, by an owner that may have none, and who says so when the kernel keeps it.
#[inline(never)]
pub fn drop_map(map: Memory) {
    if map.len == 0 {
        return;
    }
    // SAFETY: as in `as_slice`; nobody borrows from it.
    if unsafe { munmap(map.ptr.cast::<c_void>(), map.len) }.is_err() {
        kept(map.len);
    }
}

/// What cannot be unmapped.
#[cold]
#[inline(never)]
fn kept(len: usize) {
    KEPT.fetch_add(len, Ordering::Relaxed);
}

/// How many bytes could not be unmapped.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// Where all of them are.
#[must_use]
pub fn all() -> [*const (); 10] {
    [
        len as *const (),
        as_ptr as *const (),
        as_slice as *const (),
        deref as *const (),
        deref_mut as *const (),
        index as *const (),
        sum as *const (),
        fill as *const (),
        atomics as *const (),
        drop_map as *const (),
    ]
}
