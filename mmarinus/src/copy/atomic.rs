//! Copies by relaxed atomics of one width, for architectures without a copy in assembly.
//!
//! All atomics that are used on a map at the same time must have the same size. Where none has been used yet, where a load could
//! write (wider than the architecture loads at once), and for the parts of atomics at the ends of what is written, the kernel
//! copies: what it does is as if another process did it.

use core::ops::Range;
#[cfg(target_has_atomic = "64")]
use core::sync::atomic::AtomicU64;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed};

use super::super::{Stop, kernel};
use crate::atomics::LOADED_AT_ONCE;

/// Copies `buf.len()` bytes from `from` on into `buf`, by atomics of `width` bytes; 0 is none.
///
/// # Safety
///
/// - The pages around the bytes at `from` belong to a map that lives, and are readable without a fault.
/// - Atomics of other sizes than `width` are not used on them.
pub(super) unsafe fn read(width: u8, buf: &mut [u8], from: *const u8) -> Result<(), Stop> {
    match width {
        // SAFETY: the caller's contract, with the width that the type has.
        1 if LOADED_AT_ONCE >= 1 => unsafe { read_by::<AtomicU8>(buf, from) },
        // SAFETY: as above.
        2 if LOADED_AT_ONCE >= 2 => unsafe { read_by::<AtomicU16>(buf, from) },
        // SAFETY: as above.
        4 if LOADED_AT_ONCE >= 4 => unsafe { read_by::<AtomicU32>(buf, from) },
        #[cfg(target_has_atomic = "64")]
        // SAFETY: as above.
        8 if LOADED_AT_ONCE >= 8 => unsafe { read_by::<AtomicU64>(buf, from) },
        // SAFETY: the bytes lie in a map that lives.
        _ => return unsafe { kernel::read(buf, from) },
    }
    Ok(())
}

/// Copies `buf` to `to`, by atomics of `width` bytes; 0 is none.
///
/// # Safety
///
/// - The pages around the bytes at `to` belong to a map that lives, and are writable without a fault.
/// - Atomics of other sizes than `width` are not used on them.
pub(super) unsafe fn write(width: u8, to: *mut u8, buf: &[u8]) -> Result<(), Stop> {
    match width {
        // SAFETY: the caller's contract, with the width that the type has.
        1 => unsafe { write_by::<AtomicU8>(to, buf) },
        // SAFETY: as above.
        2 => unsafe { write_by::<AtomicU16>(to, buf) },
        // SAFETY: as above.
        4 => unsafe { write_by::<AtomicU32>(to, buf) },
        #[cfg(target_has_atomic = "64")]
        // SAFETY: as above.
        8 => unsafe { write_by::<AtomicU64>(to, buf) },
        // SAFETY: the bytes lie in a map that lives, whose owner allows that they are written.
        _ => unsafe { kernel::write(to, buf) },
    }
}

/// Copies out by atomics of one type.
///
/// # Safety
///
/// As for [`read`] with the width of `W`.
unsafe fn read_by<W: Word>(buf: &mut [u8], from: *const u8) {
    for Part {
        word,
        of_word,
        of_range,
    } in parts::<W>(from.addr(), buf.len())
    {
        let word = from.with_addr(word).cast::<W>();
        // SAFETY:
        // - The address is aligned; since a page is a multiple of the size, all of the atomic is in the page of a byte of the
        //   range, which is readable.
        // - Only atomics of this size are used on it.
        let word = unsafe { &*word };
        buf[of_range].copy_from_slice(&word.bytes().as_ref()[of_word]);
    }
}

/// Copies in by atomics of one type.
///
/// # Safety
///
/// As for [`write`] with the width of `W`.
unsafe fn write_by<W: Word>(to: *mut u8, buf: &[u8]) -> Result<(), Stop> {
    for Part {
        word,
        of_word,
        of_range,
    } in parts::<W>(to.addr(), buf.len())
    {
        let copied = of_range.start;
        if of_word.len() == size_of::<W>() {
            let word = to.with_addr(word).cast::<W>();
            // SAFETY: all of the atomic lies in the range, which is writable; only atomics of this size are used on it.
            let word = unsafe { &*word };
            word.set(&buf[of_range]);
        } else {
            // SAFETY: the bytes lie in a map that lives, whose owner allows that they are written.
            let done = unsafe { kernel::write(to.wrapping_add(copied), &buf[of_range]) };
            done.map_err(|stop| Stop {
                copied: copied + stop.copied,
                ..stop
            })?;
        }
    }
    Ok(())
}

/// An atomic as bytes in memory order.
trait Word {
    /// As many bytes as the atomic has.
    type Bytes: AsRef<[u8]>;

    /// Loads all bytes.
    fn bytes(&self) -> Self::Bytes;

    /// Stores all bytes, of which there must be as many as the atomic has.
    fn set(&self, bytes: &[u8]);
}

/// Says how an atomic is its bytes.
macro_rules! word {
    ($atomic:ty, $value:ty) => {
        impl Word for $atomic {
            type Bytes = [u8; size_of::<$value>()];

            fn bytes(&self) -> Self::Bytes {
                self.load(Relaxed).to_ne_bytes()
            }

            fn set(&self, bytes: &[u8]) {
                let mut value = Self::Bytes::default();
                value.copy_from_slice(bytes);
                self.store(<$value>::from_ne_bytes(value), Relaxed);
            }
        }
    };
}

word!(AtomicU8, u8);
word!(AtomicU16, u16);
word!(AtomicU32, u32);
#[cfg(target_has_atomic = "64")]
word!(AtomicU64, u64);

/// What an atomic has of a range of bytes.
struct Part {
    /// The address of the atomic.
    word: usize,
    /// Which of its bytes are in the range.
    of_word: Range<usize>,
    /// Which bytes of the range they are.
    of_range: Range<usize>,
}

/// The atomics around `len` bytes at `address`, in order.
fn parts<W>(address: usize, len: usize) -> impl Iterator<Item = Part> {
    let mut done = 0;
    core::iter::from_fn(move || {
        let skip = (address + done) % size_of::<W>();
        let count = (size_of::<W>() - skip).min(len - done);
        let part = Part {
            word: address + done - skip,
            of_word: skip..skip + count,
            of_range: done..done + count,
        };
        done += count;
        (count != 0).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory that starts where every atomic may.
    #[repr(align(64))]
    struct Aligned([u8; 64]);

    #[test]
    fn copies_every_range_at_every_width() {
        for width in [0, 1, 2, 4, 8] {
            for start in 0..20 {
                for len in 0..=40 {
                    let mut memory = Aligned(core::array::from_fn(|i| i as u8));
                    let at = memory.0.as_mut_ptr().wrapping_add(start);
                    let mut buf = [0xff; 40];
                    // SAFETY: 20 + 40 bytes lie in the 64, which nobody else uses.
                    unsafe { read(width, &mut buf[..len], at) }.unwrap();
                    let expected = (0..len).map(|i| (start + i) as u8);
                    assert!(buf.iter().copied().eq(expected.chain([0xff; 40]).take(40)));

                    let source: [u8; 40] = core::array::from_fn(|i| 100 + i as u8);
                    // SAFETY: as above.
                    unsafe { write(width, at, &source[..len]) }.unwrap();
                    for (i, &byte) in memory.0.iter().enumerate() {
                        let inside = (start..start + len).contains(&i);
                        let expected = if inside { 100 + i - start } else { i };
                        assert_eq!(
                            usize::from(byte),
                            expected,
                            "width {width}, {len} bytes from {start}"
                        );
                    }
                }
            }
        }
    }
}
