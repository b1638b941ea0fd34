//! Ranges of bytes in a map, checked without overflow.

use core::ops::{Bound, Range, RangeBounds};

/// The bytes that `range` names in a map of `len` bytes, or the two numbers that do not fit.
#[inline]
pub(crate) fn resolve(
    range: impl RangeBounds<usize>,
    len: usize,
) -> Result<Range<usize>, [usize; 2]> {
    let start = match range.start_bound() {
        Bound::Included(&start) => Some(start),
        Bound::Excluded(&start) => start.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let end = match range.end_bound() {
        Bound::Included(&end) => end.checked_add(1),
        Bound::Excluded(&end) => Some(end),
        Bound::Unbounded => Some(len),
    };
    match (start, end) {
        (Some(start), Some(end)) if start <= end && end <= len => Ok(start..end),
        (start, end) => Err([start.unwrap_or(usize::MAX), end.unwrap_or(usize::MAX)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_inside_are_taken() {
        assert_eq!(resolve(.., 10), Ok(0..10));
        assert_eq!(resolve(3.., 10), Ok(3..10));
        assert_eq!(resolve(..=9, 10), Ok(0..10));
        assert_eq!(resolve(10..10, 10), Ok(10..10));
        assert_eq!(
            resolve((Bound::Excluded(2), Bound::Excluded(5)), 10),
            Ok(3..5)
        );
        assert_eq!(resolve(.., 0), Ok(0..0));
    }

    #[test]
    fn ranges_outside_are_refused() {
        #[allow(
            clippy::reversed_empty_ranges,
            reason = "a reversed range is one of the things to refuse"
        )]
        for range in [
            0..11,
            11..11,
            5..4,
            usize::MAX..usize::MAX,
            0..usize::MAX,
            1 << 40..0,
        ] {
            assert!(resolve(range.clone(), 10).is_err(), "{range:?}");
        }
        assert!(resolve(..=usize::MAX, 10).is_err());
        assert!(resolve((Bound::Excluded(usize::MAX), Bound::Unbounded), 10).is_err());
    }
}
