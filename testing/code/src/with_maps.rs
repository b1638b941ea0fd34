//! The functions with maps.

use core::sync::atomic::AtomicU64;

use mmarinus::{Map, Shared, perms};

/// Private memory of no file.
pub type Memory = Map<perms::ReadWrite>;
/// Memory that others share.
pub type SharedMemory = Map<perms::ReadWrite, Shared>;

/// The length in bytes.
#[inline(never)]
pub fn len(map: &Memory) -> usize {
    map.len()
}

/// The first byte.
#[inline(never)]
pub fn as_ptr(map: &Memory) -> *const u8 {
    map.as_ptr()
}

/// The bytes.
#[inline(never)]
pub fn as_slice(map: &Memory) -> &[u8] {
    map.as_slice()
}

/// The bytes, by `Deref`.
#[inline(never)]
pub fn deref(map: &Memory) -> &[u8] {
    map
}

/// The bytes, by `DerefMut`.
#[inline(never)]
pub fn deref_mut(map: &mut Memory) -> &mut [u8] {
    map
}

/// One byte.
#[inline(never)]
pub fn index(map: &Memory, at: usize) -> u8 {
    map[at]
}

/// The sum of the bytes, in a loop.
#[inline(never)]
pub fn sum(map: &Memory) -> u64 {
    map.iter().copied().map(u64::from).sum()
}

/// All bytes set to one value.
#[inline(never)]
pub fn fill(map: &mut Memory, byte: u8) {
    map.fill(byte);
}

/// All bytes as atomics.
#[inline(never)]
pub fn atomics(map: &SharedMemory) -> Option<&[AtomicU64]> {
    map.atomics(..).ok()
}

/// The end of a map.
#[inline(never)]
pub fn drop_map(map: Memory) {
    drop(map);
}

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
