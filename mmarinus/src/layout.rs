//! How the bytes that were asked for lie in pages: rounding and its limits, without overflow.

/// The log2 of the size in bytes of ordinary pages.
#[inline]
pub(crate) fn page_shift() -> u8 {
    mmarinus_sys::page_size().trailing_zeros() as u8
}

/// Whether pages can have this log2 of a size in bytes: more than one byte, and a head and a page are less than `isize::MAX`.
#[inline]
pub(crate) fn is_page_shift(log2: u8) -> bool {
    1 <= log2 && u32::from(log2) < usize::BITS - 2
}

/// The place of some bytes inside the pages that hold them.
///
/// # Invariants
///
/// - `page_shift` is the log2 of a page size: a page is larger than one byte and its size fits a `usize`.
/// - `head` is less than the page size.
/// - `size` is not 0, and `head + size` rounded up to whole pages is at most `isize::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    head: usize,
    size: usize,
    page_shift: u8,
}

impl Layout {
    /// The layout of `size` bytes that start `head` bytes into a page, or `None` where an invariant does not hold.
    #[inline]
    pub(crate) fn new(head: usize, size: usize, page_shift: u8) -> Option<Self> {
        if !is_page_shift(page_shift) || head >> page_shift != 0 {
            return None;
        }
        Self::of_pages(head, size, page_shift)
    }

    /// The same for what [is known](is_page_shift) to be the log2 of a page size, and a head that is less than that.
    #[inline]
    pub(crate) fn of_pages(head: usize, size: usize, page_shift: u8) -> Option<Self> {
        debug_assert!(is_page_shift(page_shift) && head >> page_shift == 0);
        let page = 1_usize.wrapping_shl(page_shift.into());
        if size == 0 || size > (isize::MAX as usize).wrapping_sub(page).wrapping_sub(head) {
            return None;
        }
        Some(Self {
            head,
            size,
            page_shift,
        })
    }

    /// Bytes before the first asked byte, in its page.
    #[inline]
    pub(crate) fn head(self) -> usize {
        self.head
    }

    /// Bytes asked for.
    #[inline]
    pub(crate) fn size(self) -> usize {
        self.size
    }

    /// The log2 of the page size in bytes.
    #[inline]
    pub(crate) fn page_shift(self) -> u8 {
        self.page_shift
    }

    /// The same whole pages, as if they were ordinary ones.
    #[inline]
    pub(crate) fn in_ordinary_pages(self) -> Option<Self> {
        Self::new(0, self.len(), page_shift())
    }

    /// The length in bytes of the whole pages.
    #[inline]
    pub(crate) fn len(self) -> usize {
        let mask = (1 << self.page_shift) - 1;
        (self.head + self.size + mask) & !mask
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn rounds_to_whole_pages() {
        for (head, size, len) in [
            (0, 1, 4096),
            (0, 4096, 4096),
            (0, 4097, 8192),
            (4095, 1, 4096),
            (4095, 2, 8192),
        ] {
            assert_eq!(
                Layout::new(head, size, 12).unwrap().len(),
                len,
                "{head} + {size}"
            );
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let max = isize::MAX as usize;
        for (head, size, page_shift) in [
            (0, 0, 12),
            (4096, 1, 12),
            (0, usize::MAX, 12),
            (0, usize::MAX - 4095, 12),
            (0, max, 12),
            (1, max - 4096, 12),
            (0, 1, 0),
            (0, 1, usize::BITS as u8 - 1),
            (0, 1, usize::BITS as u8),
            (0, 1, 255),
        ] {
            assert_eq!(
                Layout::new(head, size, page_shift),
                None,
                "{head} + {size} in pages of 1 << {page_shift}"
            );
        }
    }

    #[test]
    fn accepts_the_largest() {
        let layout = Layout::new(0, isize::MAX as usize - 4096, 12).unwrap();
        assert!(layout.len() <= isize::MAX as usize);
        assert!(layout.len() >= layout.size());
    }
}
