//! Where the bytes of a map are, without owning them: the pointer, the length, and the atom width in force.
#![expect(
    unsafe_code,
    reason = "says that bytes of a map may be reached from any thread"
)]

use core::ptr::NonNull;

/// The place of bytes of a map.
///
/// # Invariants
///
/// - `ptr` is not null, and `ptr + len` does not wrap.
/// - As long as what it was taken from lives, the range lies inside the pages of one map.
#[derive(Clone, Copy, Debug)]
#[expect(unnameable_types, reason = "an argument of the sealed `FromLeaked`")]
pub struct Extent {
    ptr: NonNull<u8>,
    len: usize,
    /// The size in bytes of the atomics that are used on the map, or 0 if none were when this was taken.
    width: u8,
    /// The log2 of the page size in bytes.
    page_shift: u8,
    /// Whether it is surely memory of no file.
    anonymous: bool,
}

// SAFETY: an address, a length and a number; what may be done with the bytes is decided by `View`, whose methods say why they are
// safe from any thread.
unsafe impl Send for Extent {}

// SAFETY: as above; nothing can be changed through a shared reference to it.
unsafe impl Sync for Extent {}

impl Extent {
    /// The extent of `len` bytes at `ptr`, in pages of this log2 of a size, with atomics of `width` bytes.
    #[inline]
    pub(crate) fn new(
        ptr: NonNull<u8>,
        len: usize,
        width: u8,
        page_shift: u8,
        anonymous: bool,
    ) -> Self {
        Self {
            ptr,
            len,
            width,
            page_shift,
            anonymous,
        }
    }

    /// The page size in bytes.
    #[inline]
    pub(crate) fn page_size(self) -> usize {
        1 << self.page_shift
    }

    /// Whether it is surely memory of no file.
    #[inline]
    pub(crate) fn is_anonymous(self) -> bool {
        self.anonymous
    }

    /// The first byte.
    #[inline]
    pub(crate) fn as_ptr(self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// The length in bytes.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// The size in bytes of the atomics in use, or 0.
    #[inline]
    pub(crate) fn width(self) -> u8 {
        self.width
    }

    /// The `len` bytes from `offset` on, if they lie inside.
    #[inline]
    pub(crate) fn sub(self, offset: usize, len: usize) -> Option<Self> {
        if offset > self.len || len > self.len - offset {
            return None;
        }
        // SAFETY: `offset` is at most `self.len`, so the pointer stays inside the range or one past its end.
        let ptr = unsafe { self.ptr.add(offset) };
        Some(Self { ptr, len, ..self })
    }
}
