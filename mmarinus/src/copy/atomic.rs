//! Copies by relaxed atomics of one width, for architectures without a copy in assembly.
//!
//! All atomics that are used on a map at the same time must have the same size; so a copy that starts or ends inside of one
//! loads all of it, and changes a part of it by compare and exchange.

use core::ops::Range;
#[cfg(target_has_atomic = "64")]
use core::sync::atomic::AtomicU64;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed};

use super::Stop;

/// Copies `buf.len()` bytes from `from` on into `buf`, by atomics of `width` bytes.
///
/// # Safety
///
/// - The pages around the bytes at `from` are readable without a fault.
/// - Atomics of other sizes are not used on them.
pub(super) unsafe fn read(width: u8, buf: &mut [u8], from: *const u8) -> Result<(), Stop> {
    match width {
        // SAFETY: the caller's contract, with the width that the type has.
        1 => unsafe { read_by::<AtomicU8>(buf, from) },
        // SAFETY: as above.
        2 => unsafe { read_by::<AtomicU16>(buf, from) },
        // SAFETY: as above.
        4 => unsafe { read_by::<AtomicU32>(buf, from) },
        #[cfg(target_has_atomic = "64")]
        // SAFETY: as above.
        _ => unsafe { read_by::<AtomicU64>(buf, from) },
        #[cfg(not(target_has_atomic = "64"))]
        _ => unreachable!("no atomics of {width} bytes exist here"),
    }
    Ok(())
}

/// Copies `buf` to `to`, by atomics of `width` bytes.
///
/// # Safety
///
/// - The pages around the bytes at `to` are readable and writable without a fault.
/// - Atomics of other sizes are not used on them.
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
        _ => unsafe { write_by::<AtomicU64>(to, buf) },
        #[cfg(not(target_has_atomic = "64"))]
        _ => unreachable!("no atomics of {width} bytes exist here"),
    }
    Ok(())
}

/// Copies out by atomics of one type.
///
/// # Safety
///
/// As for [`read`] with the width of `W`.
unsafe fn read_by<W: Word>(buf: &mut [u8], from: *const u8) {
    // SAFETY: the caller's contract.
    let words = unsafe { Words::<W>::around(from.cast_mut(), buf.len()) };
    for (word, part, of_buf) in words {
        buf[of_buf].copy_from_slice(&word.load().as_ref()[part]);
    }
}

/// Copies in by atomics of one type.
///
/// # Safety
///
/// As for [`write`] with the width of `W`.
unsafe fn write_by<W: Word>(to: *mut u8, buf: &[u8]) {
    // SAFETY: the caller's contract.
    let words = unsafe { Words::<W>::around(to, buf.len()) };
    for (word, part, of_buf) in words {
        word.change(
            |bytes| bytes.as_mut()[part.clone()].copy_from_slice(&buf[of_buf.clone()]),
            part.len(),
        );
    }
}

/// An atomic as bytes in memory order.
trait Word: Sized + 'static {
    /// As many bytes as the atomic has.
    type Bytes: AsRef<[u8]> + AsMut<[u8]>;

    /// Loads all bytes.
    fn load(&self) -> Self::Bytes;

    /// Changes `count` of the bytes: by one store if that is all of them, else by compare and exchange.
    fn change(&self, change: impl Fn(&mut Self::Bytes), count: usize);
}

/// Says how an atomic is its bytes.
macro_rules! word {
    ($atomic:ty, $value:ty) => {
        impl Word for $atomic {
            type Bytes = [u8; size_of::<$value>()];

            fn load(&self) -> Self::Bytes {
                self.load(Relaxed).to_ne_bytes()
            }

            fn change(&self, change: impl Fn(&mut Self::Bytes), count: usize) {
                let changed = |old: $value| {
                    let mut bytes = old.to_ne_bytes();
                    change(&mut bytes);
                    <$value>::from_ne_bytes(bytes)
                };
                if count == size_of::<$value>() {
                    self.store(changed(0), Relaxed);
                } else {
                    // The closure never declines, so this cannot fail.
                    let _ = self.fetch_update(Relaxed, Relaxed, |old| Some(changed(old)));
                }
            }
        }
    };
}

word!(AtomicU8, u8);
word!(AtomicU16, u16);
word!(AtomicU32, u32);
#[cfg(target_has_atomic = "64")]
word!(AtomicU64, u64);

/// The atomics around a range of bytes: each with the part of it that is meant, and where that part is in the range.
struct Words<W: 'static> {
    /// The first byte of the range that is still to come.
    next: *mut u8,
    /// How many bytes of the range are done.
    done: usize,
    len: usize,
    atomic: core::marker::PhantomData<&'static W>,
}

impl<W: Word> Words<W> {
    /// The atomics around `len` bytes at `ptr`.
    ///
    /// # Safety
    ///
    /// The pages around these bytes stay accessible as long as the atomics are used, and atomics of other sizes are not used
    /// on them.
    unsafe fn around(ptr: *mut u8, len: usize) -> Self {
        Self {
            next: ptr,
            done: 0,
            len,
            atomic: core::marker::PhantomData,
        }
    }
}

impl<W: Word> Iterator for Words<W> {
    type Item = (&'static W, Range<usize>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.done == self.len {
            return None;
        }
        let skip = self.next.addr() % size_of::<W>();
        let count = (size_of::<W>() - skip).min(self.len - self.done);
        let word = self.next.wrapping_sub(skip).cast::<W>();
        // SAFETY:
        // - The pointer is aligned; since a page is a multiple of the size, all of the atomic is in the page of a byte of
        //   the range.
        // - The page is accessible, and only atomics of this size are used on it (`around`).
        let word = unsafe { &*word };
        let of_range = self.done..self.done + count;
        self.next = self.next.wrapping_add(count);
        self.done += count;
        Some((word, skip..skip + count, of_range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page's worth of atomics' bytes.
    #[repr(align(64))]
    struct Aligned([u8; 64]);

    #[test]
    fn copies_every_range_at_every_width() {
        for width in [1, 2, 4, 8] {
            for start in 0..20 {
                for len in 0..=40 {
                    let mut memory = Aligned(core::array::from_fn(|i| i as u8));
                    let at = memory.0.as_mut_ptr().wrapping_add(start);
                    let mut buf = [0xff; 40];
                    // SAFETY: 20 + 40 bytes lie in the 64, which nobody else uses.
                    unsafe { read(width, &mut buf[..len], at) }.unwrap();
                    assert!(
                        buf[..len]
                            .iter()
                            .enumerate()
                            .all(|(i, &byte)| byte == (start + i) as u8)
                    );
                    assert!(buf[len..].iter().all(|&byte| byte == 0xff));

                    let source: [u8; 40] = core::array::from_fn(|i| 100 + i as u8);
                    // SAFETY: as above.
                    unsafe { write(width, at, &source[..len]) }.unwrap();
                    for (i, &byte) in memory.0.iter().enumerate() {
                        let inside = (start..start + len).contains(&i);
                        let expected = if inside {
                            100 + (i - start) as u8
                        } else {
                            i as u8
                        };
                        assert_eq!(
                            byte, expected,
                            "width {width}, {len} bytes from {start}, byte {i}"
                        );
                    }
                }
            }
        }
    }
}
