//! The steps into which a map is cut, and the buffer in which one is made.

use core::ops::Range;

use mmarinus::backing::Anonymous;
use mmarinus::perms::Permissions;
use mmarinus::{Map, Private, perms};

/// Memory of which surely no page is there.
pub(super) fn nothing<P: Permissions>(
    len: usize,
    perms: P,
) -> Result<Map<P, Private, Anonymous>, mmarinus::Error> {
    let mut map = Map::bytes(len).anonymously().with(perms)?;
    // After `mlockall(MCL_FUTURE)` all of them are.
    if map.discard(..).is_err() {
        // Before Linux 5.18 that is not for locked pages.
        map.unlock(..)?;
        map.discard(..)?;
    }
    Ok(map)
}

/// How a map is cut into steps, all but the last of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// The length of the map, in bytes.
    len: usize,
    /// A multiple of the page size. At most the length of the map in pages.
    size: usize,
    page: usize,
}

impl Steps {
    /// Cuts so many bytes into steps of this size, rounded up to whole pages.
    pub(super) fn of(len: usize, step: usize) -> Self {
        let page = mmarinus_sys::page_size();
        let up = |bytes: usize| bytes.max(1).checked_next_multiple_of(page);
        // A length that cannot be rounded cannot be mapped, and is refused then.
        let most = up(len).unwrap_or(page);
        let size = up(step).map_or(most, |step| step.min(most));
        Self { len, size, page }
    }

    /// The length of the map, in bytes.
    pub(super) fn len(self) -> usize {
        self.len
    }

    /// How many there are.
    pub(super) fn count(self) -> usize {
        self.len.div_ceil(self.size)
    }

    /// The number of the step that has a byte of the map.
    pub(super) fn at(self, offset: usize) -> usize {
        offset / self.size
    }

    /// Which bytes of the map a step is: it ends where the map does.
    pub(super) fn bytes(self, nth: usize) -> Range<usize> {
        let start = nth * self.size;
        start..start + self.size.min(self.len - start)
    }

    /// How much of a map of `len` bytes, the pages of it counted whole, `bytes` are.
    fn in_pages(self, bytes: usize) -> usize {
        bytes.next_multiple_of(self.page)
    }
}

/// Where a step is made before it is brought in.
#[derive(Debug)]
pub(super) struct Draft {
    steps: Steps,
    room: Map<perms::ReadWrite, Private, Anonymous>,
}

impl Draft {
    /// A buffer for any of these steps.
    pub(super) fn new(steps: Steps) -> Result<Self, mmarinus::Error> {
        let room = Map::bytes(steps.size).anonymously();
        Ok(Self {
            steps,
            room: room.with(perms::ReadWrite)?,
        })
    }

    /// Has a closure make a step, from zeros.
    pub(super) fn make<T>(&mut self, nth: usize, make: impl FnOnce(usize, &mut [u8]) -> T) -> T {
        let bytes = self.steps.bytes(nth);
        let room = &mut self.room[..bytes.len()];
        room.fill(0);
        make(bytes.start, room)
    }

    /// Brings the step in that was made, by a call that takes an offset and whole pages, and returns how many bytes it brought
    /// in: it stops at a page that is there, and 0 says that the first one is.
    pub(super) fn bring_in(
        &mut self,
        nth: usize,
        mut copy: impl FnMut(usize, &[u8]) -> Result<usize, mmarinus::Error>,
    ) -> Result<(), mmarinus::Error> {
        let bytes = self.steps.bytes(nth);
        let len = self.steps.in_pages(bytes.len());
        // What an earlier, longer step left behind the end of the map.
        self.room[bytes.len()..len].fill(0);
        let mut done = 0;
        while done < len {
            let copied = copy(bytes.start + done, &self.room[done..len])?;
            done += copied.max(self.steps.page);
        }
        Ok(())
    }
}

/// Which steps were made: a bit for each, in memory that comes as it is touched.
#[derive(Debug)]
pub(super) struct Made {
    bits: Map<perms::ReadWrite, Private, Anonymous>,
}

impl Made {
    /// None of them.
    pub(super) fn none_of(steps: Steps) -> Result<Self, mmarinus::Error> {
        let bits = Map::bytes(steps.count().div_ceil(8)).anonymously();
        Ok(Self {
            bits: bits.with(perms::ReadWrite)?,
        })
    }

    /// Whether a step was made.
    pub(super) fn has(&self, nth: usize) -> bool {
        self.bits[nth / 8] & (1 << (nth % 8)) != 0
    }

    /// Says that it was.
    pub(super) fn insert(&mut self, nth: usize) {
        self.bits[nth / 8] |= 1 << (nth % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_cover_each_byte_once() {
        let page = mmarinus_sys::page_size();
        for len in [0, 1, page - 1, page, page + 1, 7 * page - 3, 8 * page] {
            for step in [0, 1, page, page + 1, 3 * page, 100 * page, usize::MAX] {
                let steps = Steps::of(len, step);
                let mut end = 0;
                for nth in 0..steps.count() {
                    let bytes = steps.bytes(nth);
                    assert!(bytes.start == end && !bytes.is_empty());
                    assert_eq!((steps.at(bytes.start), steps.at(bytes.end - 1)), (nth, nth));
                    assert_eq!(bytes.start % page, 0);
                    end = bytes.end;
                }
                assert_eq!((end, steps.len()), (len, len));
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be_do_not_overflow() {
        let page = mmarinus_sys::page_size();
        for len in [usize::MAX, isize::MAX as usize, usize::MAX - page] {
            let steps = Steps::of(len, usize::MAX);
            assert!(steps.count() >= 1 && steps.size.is_multiple_of(page));
        }
    }

    #[test]
    fn pages_that_are_there_are_passed_over() {
        let page = mmarinus_sys::page_size();
        let mut draft = Draft::new(Steps::of(5 * page - 9, 3 * page)).unwrap();
        draft.make(0, |_, bytes| bytes.fill(7));
        let mut asked = Vec::new();
        draft.make(1, |offset, bytes| {
            assert_eq!((offset, bytes.len()), (3 * page, 2 * page - 9));
            assert!(bytes.iter().all(|&byte| byte == 0));
            bytes.fill(8);
        });
        let there = |offset: usize, bytes: &[u8]| {
            asked.push((offset, bytes.len(), bytes[bytes.len() - 1]));
            Ok(0)
        };
        draft.bring_in(1, there).unwrap();
        assert_eq!(asked, [(3 * page, 2 * page, 0), (4 * page, page, 0)]);
    }

    #[test]
    fn a_step_is_made_once() {
        let steps = Steps::of(100 * mmarinus_sys::page_size(), 0);
        let mut made = Made::none_of(steps).unwrap();
        for nth in [0, 7, 8, 99] {
            assert!(!made.has(nth));
            made.insert(nth);
            assert!(made.has(nth) && !made.has(nth ^ 2));
        }
    }
}
