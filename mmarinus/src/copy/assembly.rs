//! Copies by the assembly of this architecture, and what follows when one of them stops at a fault.
//!
//! Where the handler of [`crate::fault`] is installed, a fault of the map's side ends a routine early. Blocks are wider than a
//! byte, so what is left of the block is then copied byte by byte, up to the very byte that faults.
#![expect(unsafe_code, reason = "copies bytes of maps by pointer")]

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;

#[cfg(feature = "fault-handler")]
pub(crate) use machine::resume;

use super::Stop;
use crate::extent::Extent;

/// Copies the bytes of `from` into `buf`, which has the same length.
///
/// # Safety
///
/// The bytes of `from` lie in pages of a map that lives. They are readable without a fault, or the handler is installed.
#[inline]
pub(super) unsafe fn read(from: Extent, buf: &mut [u8]) -> Result<(), Stop> {
    let (to, from, len) = (buf.as_mut_ptr(), from.as_ptr(), buf.len());
    // SAFETY:
    // - The source is as long as `buf`, which is exclusive, so they do not overlap; `buf` does not fault.
    // - What the caller says of the map's side, which is the source.
    let end = unsafe { machine::copy(to, from, len, from) };
    // SAFETY: the same arguments.
    unsafe { finish(to, from, len, from, end) }
}

/// Copies `buf` into the bytes of `to`, which has the same length.
///
/// # Safety
///
/// The bytes of `to` lie in pages of a map that lives. They are writable without a fault, or the handler is installed.
#[inline]
pub(super) unsafe fn write(to: Extent, buf: &[u8]) -> Result<(), Stop> {
    let (to, from, len) = (to.as_ptr(), buf.as_ptr(), buf.len());
    // SAFETY:
    // - The target is as long as `buf`, of which no byte may change while it is borrowed, so they do not overlap; `buf` does
    //   not fault.
    // - What the caller says of the map's side, which is the target.
    let end = unsafe { machine::copy(to, from, len, to) };
    // SAFETY: the same arguments.
    unsafe { finish(to, from, len, to, end) }
}

/// Copies the bytes of `from`, which are those of a device, into `buf`, which has the same length.
///
/// # Safety
///
/// The bytes of `from` lie in pages of a map that lives, and the handler is installed.
#[cfg(feature = "fault-handler")]
pub(super) unsafe fn read_device(from: Extent, buf: &mut [u8]) -> Result<(), Stop> {
    let (to, from, len) = (buf.as_mut_ptr(), from.as_ptr(), buf.len());
    // SAFETY: as for `read`.
    let end = unsafe { machine::copy_device(to, from, len, from) };
    // SAFETY: the same arguments.
    unsafe { finish(to, from, len, from, end) }
}

/// Copies `buf` into the bytes of `to`, which are those of a device and have the same length.
///
/// # Safety
///
/// The bytes of `to` lie in pages of a map that lives, and the handler is installed.
#[cfg(feature = "fault-handler")]
pub(super) unsafe fn write_device(to: Extent, buf: &[u8]) -> Result<(), Stop> {
    let (to, from, len) = (to.as_ptr(), buf.as_ptr(), buf.len());
    // SAFETY: as for `write`.
    let end = unsafe { machine::copy_device(to, from, len, to) };
    // SAFETY: the same arguments.
    unsafe { finish(to, from, len, to, end) }
}

/// Without the handler, a routine always reaches the end.
#[cfg(not(feature = "fault-handler"))]
#[inline]
unsafe fn finish(
    to: *mut u8,
    _from: *const u8,
    len: usize,
    _map: *const u8,
    end: *mut u8,
) -> Result<(), Stop> {
    debug_assert_eq!(end, to.wrapping_add(len));
    Ok(())
}

/// What is left to do after a routine that stopped at `end`.
///
/// # Safety
///
/// As for [`machine::copy`].
#[cfg(feature = "fault-handler")]
#[inline]
unsafe fn finish(
    to: *mut u8,
    from: *const u8,
    len: usize,
    map: *const u8,
    end: *mut u8,
) -> Result<(), Stop> {
    if end == to.wrapping_add(len) {
        return Ok(());
    }
    // SAFETY: as the caller promises.
    unsafe { go_on(to, from, len, map, end.addr() - to.addr()) }
}

/// Goes on after a fault that stopped a copy after `copied` bytes: byte by byte for a while, then by blocks (those that suit
/// devices, too), in case the page is there again.
///
/// # Safety
///
/// As for [`machine::copy`].
#[cfg(feature = "fault-handler")]
#[cold]
#[inline(never)]
unsafe fn go_on(
    to: *mut u8,
    from: *const u8,
    len: usize,
    map: *const u8,
    mut copied: usize,
) -> Result<(), Stop> {
    /// More than a block.
    const STEP: usize = 4096;

    while copied < len {
        let step = STEP.min(len - copied);
        let at = to.wrapping_add(copied);
        // SAFETY: a part of what the caller promises.
        let end = unsafe {
            machine::copy_bytes(
                at,
                from.wrapping_add(copied),
                step,
                map.wrapping_add(copied),
            )
        };
        let more = end.addr() - at.addr();
        copied += more;
        if more < step {
            return Err(Stop {
                errno: mmarinus_sys::Errno::FAULT,
                copied,
            });
        }
        let at = to.wrapping_add(copied);
        let rest = len - copied;
        // SAFETY: as above.
        let end = unsafe {
            machine::copy_device(
                at,
                from.wrapping_add(copied),
                rest,
                map.wrapping_add(copied),
            )
        };
        copied += end.addr() - at.addr();
    }
    Ok(())
}

/// Whether the fault at one of these addresses is one of the `len` bytes from `map` on.
#[cfg(feature = "fault-handler")]
fn meets(map: usize, len: usize, fault: &core::ops::RangeInclusive<usize>) -> bool {
    // The bytes lie in one map, so this does not wrap; a register of somebody else might, and means nothing then.
    len != 0 && *fault.start() <= map.wrapping_add(len - 1) && map <= *fault.end()
}

#[cfg(all(test, feature = "fault-handler"))]
mod tests {
    use super::meets;

    #[test]
    fn a_fault_meets_the_bytes_it_touches() {
        for (fault, expected) in [
            (99..=99, false),
            (100..=100, true),
            (109..=109, true),
            (110..=110, false),
            // A broken page is told as a whole.
            (0..=4095, true),
            (0..=99, false),
            (110..=4095, false),
        ] {
            assert_eq!(meets(100, 10, &fault), expected, "{fault:?}");
        }
        assert!(!meets(100, 0, &(0..=usize::MAX)));
        assert!(!meets(usize::MAX, 2, &(5..=5)));
    }
}
